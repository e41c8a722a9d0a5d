// SPDX-License-Identifier: MIT
/*
 * <ndma.hpp>, and <ndma.h> and <ndma_ring.h> as C++: they compile without a warning, and what a C++
 * program gets from them. On memfd. Speaks TAP.
 */
#include <ndma_ring.h>
#include <ndma.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

using namespace std::chrono_literals;

namespace
{

#define EXPECT(condition)                                                              \
	do {                                                                           \
		if (!(condition))                                                      \
			throw std::logic_error("line " + std::to_string(__LINE__) + ": " #condition); \
	} while (0)

template <typename Call> int errno_of(Call call)
{
	try {
		call();
	} catch (const ndma::error &error) {
		return error.code().value();
	}
	return 0;
}

ndma_stream_options options_of(std::uint64_t samples, std::uint32_t frames = 4)
{
	ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;

	options.samples = samples;
	options.frames = frames;
	return options;
}

struct ndma_buffer_info info_of(const ndma::buffer &buffer)
{
	struct ndma_buffer_info info;

	ndma::check(ndma_buffer_info(buffer.get(), &info));
	return info;
}

void options_begin_as_in_c()
{
	const ndma_buffer_options buffer = NDMA_BUFFER_OPTIONS_INIT;
	const ndma_stream_options stream = NDMA_STREAM_OPTIONS_INIT;

	EXPECT(buffer.node == NDMA_NODE_ANY && buffer.flags == 0 && !buffer.source);
	EXPECT(stream.node == NDMA_NODE_ANY && stream.samples == 0 && !stream.format && !stream.writable);
}

void a_lease_ends_with_its_object()
{
	ndma::buffer buffer(4096);

	{
		ndma::lease<std::int32_t> memory = buffer.write<std::int32_t>();
		ndma::lease<std::int32_t> moved = std::move(memory);

		EXPECT(moved.size() == 1024 && moved[1023] == 0);
		std::fill(moved.begin(), moved.end(), 7);
		EXPECT(info_of(buffer).write_leases == 1);
		EXPECT(errno_of([&] { buffer.begin_transfer(NDMA_FROM_DEVICE, 1s); }) == EBUSY);
	}
	EXPECT(info_of(buffer).write_leases == 0);
	EXPECT(buffer.read<std::int32_t>()[5] == 7);
	EXPECT(info_of(buffer).read_leases == 0);
}

void a_transfer_ends_with_its_object()
{
	ndma::buffer buffer(4096);

	{
		ndma::transfer first = buffer.begin_transfer(NDMA_FROM_DEVICE, 10s);
		ndma::transfer transfer = std::move(first);

		EXPECT(errno_of([&] { buffer.read<char>(); }) == EBUSY);
		EXPECT(info_of(buffer).owner == NDMA_OWNER_DEVICE);
	}
	EXPECT(info_of(buffer).owner == NDMA_OWNER_CPU);
	ndma::transfer transfer = buffer.begin_transfer(NDMA_FROM_DEVICE, 10s);
	transfer.end();
	transfer.end();
	buffer.read<char>();
}

void a_deadline_that_passed_is_told_at_the_end()
{
	ndma::buffer buffer(4096);
	ndma::transfer transfer = buffer.begin_transfer(NDMA_FROM_DEVICE, 1ns);

	while (info_of(buffer).owner == NDMA_OWNER_DEVICE)
		;
	EXPECT(errno_of([&] { transfer.end(); }) == ETIMEDOUT);
}

void a_buffer_is_imported_with_its_layout()
{
	const std::uint64_t shape[] = {3, 5};
	ndma_layout layout;

	ndma::check(ndma_layout_init(&layout, "<f", 4, 2, shape));
	ndma::buffer buffer(layout);
	ndma::buffer other = ndma::buffer::from_fd(buffer.fd());

	EXPECT(other.layout().shape[1] == 5 && other.bytes() >= 60);
	buffer.write<float>()[14] = 2.5f;
	EXPECT(other.read<float>()[14] == 2.5f);
}

void an_error_has_errno_and_words()
{
	try {
		ndma::source source("nothing0");
	} catch (const ndma::error &error) {
		EXPECT(error.code() == std::errc::no_such_file_or_directory);
		EXPECT(std::string(error.what()).find("sim0") != std::string::npos);
		return;
	}
	EXPECT(!"thrown");
}

void a_setting_goes_by_name()
{
	ndma::source source("sim0");

	source.set_control("rate", 1000000);
	EXPECT(source.control("rate") == 1000000);
	EXPECT(errno_of([&] { source.set_control("rte", 1); }) == ENOENT);
	EXPECT(source.name() == "sim0" && source.info().channels > 0);
	const std::vector<std::string> names = ndma::sources();
	EXPECT(std::find(names.begin(), names.end(), "sim0") != names.end());
}

void frames_come_until_the_stream_ends()
{
	ndma::stream stream(ndma::source("sim0"), options_of(1000));
	std::uint64_t count = 0;

	stream.start(20);
	while (ndma::frame frame = stream.next()) {
		EXPECT(frame.samples<std::int16_t>().size() >= 1000 && frame.layout().ndim == 2);
		EXPECT(frame.time() > 0ns);
		count++;
	}
	EXPECT(count > 0 && count + stream.stats().dropped == 20);
}

void a_frame_goes_back_with_its_object()
{
	ndma::stream stream(ndma::source("sim0"), options_of(1000));
	std::vector<ndma::frame> held;

	stream.start();
	for (int i = 0; i < 4; i++)
		held.push_back(stream.next());
	EXPECT(errno_of([&] { stream.next(); }) == EBUSY);
	const std::uint64_t sequence = held[2].sequence();
	ndma::frame kept = std::move(held[2]);
	held.clear();
	EXPECT(kept && kept.sequence() == sequence && stream.next());
	kept = stream.next();
	EXPECT(kept.sequence() > sequence);
	kept.release();
	EXPECT(!kept);
}

void the_hot_path_works_on_the_same_stream()
{
	ndma::stream stream(ndma::source("sim0"), options_of(1000));
	ndma_ring *ring = ndma_ring_open(stream.get());
	ndma_frame frame;
	int count = 0;

	stream.start(8);
	while (ndma::check(ndma_stream_wait(stream.get(), 1, -1)) > 0)
		while (ndma_ring_ready(ring) && ndma_ring_take(ring, &frame)) {
			count++;
			if (ndma_ring_release(ring, frame.completion.index))
				ndma::check(ndma_stream_kick(stream.get()));
		}
	EXPECT(count > 0);
}

#ifdef __cpp_lib_span
std::size_t count_of(std::span<const char> memory)
{
	return memory.size();
}
#endif

void memory_is_taken_for_a_span()
{
#ifdef __cpp_lib_span
	ndma::buffer buffer(4096);

	EXPECT(count_of(buffer.read<char>()) == 4096);
#endif
}

struct test {
	const char *name;
	void (*run)();
};

#define TEST(function) {#function, function}

const test tests[] = {
	TEST(options_begin_as_in_c),
	TEST(a_lease_ends_with_its_object),
	TEST(a_transfer_ends_with_its_object),
	TEST(a_deadline_that_passed_is_told_at_the_end),
	TEST(a_buffer_is_imported_with_its_layout),
	TEST(an_error_has_errno_and_words),
	TEST(a_setting_goes_by_name),
	TEST(frames_come_until_the_stream_ends),
	TEST(a_frame_goes_back_with_its_object),
	TEST(the_hot_path_works_on_the_same_stream),
	TEST(memory_is_taken_for_a_span),
};

} /* namespace */

int main()
{
	int number = 0, failed = 0;

	setenv("NDMA_BACKEND", "memfd", 1);
	std::printf("TAP version 13\n1..%zu\n", sizeof(tests) / sizeof(*tests));
	for (const test &test : tests) {
		number++;
		try {
			test.run();
			std::printf("ok %d cplusplus.%s\n", number, test.name);
		} catch (const std::exception &error) {
			failed++;
			std::printf("not ok %d cplusplus.%s\n# %s\n", number, test.name, error.what());
		}
	}
	return failed != 0;
}

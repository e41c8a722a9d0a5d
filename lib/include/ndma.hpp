/* SPDX-License-Identifier: MIT */
/**
 * libndma for C++17 and later: owners that close what they opened, errors that cannot be missed.
 *
 * Header-only, over <ndma.h>, whose documentation is this one's too. Every class owns one object of the C
 * library, can be moved and not copied, and gives it by get() to the calls that have no method here. Under
 * C++17 a method answers memory as view, a pointer and a size; where the standard library has std::span, a
 * view is taken for one.
 *
 * Errors
 *   A call that fails throws ndma::error, a std::system_error: code() is the errno, what() has the words
 *   of ndma_error(). Destructors throw nothing; what can fail at the end has a method of its own.
 *
 * Lifetimes
 *   A lease or transfer must not outlive its buffer, nor a frame its stream: who owns the memory is decided
 *   when it ends. A stream may outlive its source. A moved-from object is only to be assigned or destroyed.
 *
 * Threads
 *   As in <ndma.h>: one object, one thread at a time, unless the call that is made says more.
 *
 * @code
 *	ndma::source source("sim0");
 *	ndma_stream_options options = NDMA_STREAM_OPTIONS_INIT;
 *
 *	options.samples = 65536;
 *	ndma::stream stream(source, options);
 *	stream.start();
 *	while (ndma::frame frame = stream.next())
 *		use(frame.samples<std::int16_t>(), frame.dropped());
 * @endcode
 */
#ifndef NDMA_HPP
#define NDMA_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>
#if __has_include(<span>)
#include <span>
#endif

#include <ndma.h>

namespace ndma
{

/** A timeout that never comes. */
inline constexpr std::chrono::nanoseconds forever{-1};

/** What every call here throws; errno in code(), the words of ndma_error() in what(). */
class error : public std::system_error
{
public:
	/** @rc: the negative errno that a call of the C library answered, as the last one of this thread */
	explicit error(int rc) : std::system_error(-rc, std::generic_category(), ndma_error()) {}
};

/**
 * check() - for calls of the C library that have no method here
 * @rc: what it answered
 *
 * Return: @rc, where it is not negative. Throws ndma::error else.
 */
inline int check(int rc)
{
	if (rc < 0)
		throw error(rc);
	return rc;
}

/** class view - a pointer and how many elements lie there; owns nothing */
template <typename T> class view
{
	static_assert(std::is_trivially_copyable_v<T>, "memory that devices write has no constructors");

public:
	view() = default;
	view(T *data, std::size_t size) : data_(data), size_(size) {}

	T *data() const noexcept { return data_; }
	std::size_t size() const noexcept { return size_; }
	bool empty() const noexcept { return size_ == 0; }
	T *begin() const noexcept { return data_; }
	T *end() const noexcept { return data_ + size_; }
	T &operator[](std::size_t index) const noexcept { return data_[index]; }
#ifdef __cpp_lib_span
	operator std::span<T>() const noexcept { return {data_, size_}; }
#endif

private:
	T *data_ = nullptr;
	std::size_t size_ = 0;
};

/** struct closer - has a std::unique_ptr call a function of the C library */
template <auto function> struct closer {
	template <typename T> void operator()(T *object) const noexcept { function(object); }
};

/**
 * class lease - the memory of a buffer, for as long as this object lives
 *
 * No device writes there and the layout stays, until it is destroyed. Made by buffer::read() and
 * buffer::write().
 */
template <typename T> class lease : public view<T>
{
public:
	/**
	 * @buffer: it must live longer than this object
	 *
	 * To read where T is const, else to read and write. Throws -EBUSY: a device owns the buffer; and
	 * what else ndma_lease_acquire() and ndma_buffer_map() answer.
	 */
	explicit lease(ndma_buffer *buffer)
	{
		constexpr std::uint32_t access = std::is_const_v<T> ? NDMA_READ : NDMA_WRITE;
		void *address = nullptr;
		std::uint32_t id = 0;

		check(ndma_lease_acquire(buffer, access, &id));
		held_ = std::unique_ptr<ndma_buffer, release>(buffer, release{id});
		check(ndma_buffer_map(buffer, access, &address));
		view<T>::operator=(view<T>(static_cast<T *>(address), ndma_buffer_bytes(buffer) / sizeof(T)));
	}

private:
	struct release {
		std::uint32_t id;
		void operator()(ndma_buffer *buffer) const noexcept { ndma_lease_release(buffer, id); }
	};

	std::unique_ptr<ndma_buffer, release> held_;
};

/** class transfer - the time in which a device owns a buffer; made by buffer::begin_transfer() */
class transfer
{
public:
	/** As ndma_transfer_begin(). @buffer must live longer than this object. */
	transfer(ndma_buffer *buffer, std::uint32_t direction, std::chrono::nanoseconds timeout,
		 std::uint32_t guard = NDMA_GUARD_NONE, std::uint32_t flags = 0)
	{
		std::uint32_t id = 0;

		check(ndma_transfer_begin(buffer, direction, guard, flags,
					  static_cast<std::uint64_t>(timeout.count()), &id));
		running_ = std::unique_ptr<ndma_buffer, finish>(buffer, finish{id});
	}

	/** The device is done. Throws -ETIMEDOUT: what the buffer holds is not to be trusted. */
	void end()
	{
		const std::uint32_t id = running_.get_deleter().id;

		if (running_)
			check(ndma_transfer_end(running_.release(), id));
	}

private:
	struct finish {
		std::uint32_t id;
		void operator()(ndma_buffer *buffer) const noexcept { ndma_transfer_end(buffer, id); }
	};

	std::unique_ptr<ndma_buffer, finish> running_;
};

/** class buffer - DMA memory with a layout */
class buffer
{
public:
	/** As ndma_buffer_create(). */
	explicit buffer(const ndma_layout &layout, const ndma_buffer_options &options = ndma_buffer_options_init())
	{
		ndma_buffer *made = nullptr;

		check(ndma_buffer_create(&layout, &options, &made));
		buffer_.reset(made);
	}

	/** Of @bytes plain bytes. */
	explicit buffer(std::uint64_t bytes) : buffer(flat(bytes)) {}

	/** As ndma_buffer_import(); @fd stays the caller's. */
	static buffer from_fd(int fd, const ndma_layout *layout = nullptr)
	{
		ndma_buffer *made = nullptr;

		check(ndma_buffer_import(fd, layout, &made));
		return buffer(made);
	}

	ndma_buffer *get() const noexcept { return buffer_.get(); }
	/** The buffer's own: do not close it. */
	int fd() const noexcept { return ndma_buffer_fd(get()); }
	std::uint64_t bytes() const noexcept { return ndma_buffer_bytes(get()); }

	ndma_layout layout() const
	{
		ndma_layout layout;

		check(ndma_buffer_layout(get(), &layout));
		return layout;
	}

	/** Throws -EBUSY while anybody holds a lease. */
	void set_layout(const ndma_layout &layout) { check(ndma_buffer_set_layout(get(), &layout)); }

	/** The memory to look at, as elements of T. */
	template <typename T> lease<const T> read() const { return lease<const T>(get()); }
	/** The memory to read and write, as elements of T. */
	template <typename T> lease<T> write() { return lease<T>(get()); }

	/** Give the buffer to a device, until the transfer ends or is destroyed: class transfer. */
	transfer begin_transfer(std::uint32_t direction, std::chrono::nanoseconds timeout,
				std::uint32_t guard = NDMA_GUARD_NONE, std::uint32_t flags = 0)
	{
		return transfer(get(), direction, timeout, guard, flags);
	}

private:
	explicit buffer(ndma_buffer *made) : buffer_(made) {}

	static ndma_layout flat(std::uint64_t bytes)
	{
		ndma_layout layout;

		ndma_layout_flat(&layout, bytes);
		return layout;
	}

	std::unique_ptr<ndma_buffer, closer<ndma_buffer_close>> buffer_;
};

/** class source - an acquisition driver, by name */
class source
{
public:
	/** As ndma_source_open(). */
	explicit source(const std::string &name)
	{
		ndma_source *made = nullptr;

		check(ndma_source_open(name.c_str(), &made));
		source_.reset(made);
	}

	ndma_source *get() const noexcept { return source_.get(); }
	std::string name() const { return ndma_source_name(get()); }

	struct ndma_source_info info() const
	{
		struct ndma_source_info info;

		check(ndma_source_info(get(), &info));
		return info;
	}

	/** The value of a setting, in 10^exponent of its unit. Throws -ENOENT: the words list what there is. */
	std::int64_t control(const std::string &name) const
	{
		std::int64_t value = 0;

		check(ndma_control_get(get(), find(name), &value));
		return value;
	}

	/** Change it, for streams that are made afterwards. Throws -ERANGE: the words name the nearest. */
	void set_control(const std::string &name, std::int64_t value)
	{
		check(ndma_control_set(get(), find(name), value));
	}

private:
	std::uint32_t find(const std::string &name) const
	{
		ndma_control_info info;

		check(ndma_control_find(get(), name.c_str(), &info));
		return info.id;
	}

	std::unique_ptr<ndma_source, closer<ndma_source_close>> source_;
};

/** Names of the sources there are. */
inline std::vector<std::string> sources()
{
	char names[64][NDMA_NAME_MAX];
	std::size_t count = static_cast<std::size_t>(check(ndma_source_list(names, 64)));

	return {names, names + (count < 64 ? count : 64)};
}

/** class frame - one piece of a stream's memory, given back to the device when it is destroyed */
class frame
{
public:
	/** None: false. */
	frame() = default;
	/** @stream, from which @taken was taken, must live longer than this object. */
	frame(ndma_stream *stream, const ndma_frame &taken) : frame_(taken), stream_(stream) {}
	frame(frame &&other) noexcept : frame_(other.frame_), stream_(std::exchange(other.stream_, nullptr)) {}
	~frame() { release(); }

	frame &operator=(frame &&other) noexcept
	{
		if (this != &other) {
			release();
			frame_ = other.frame_;
			stream_ = std::exchange(other.stream_, nullptr);
		}
		return *this;
	}

	/** Is there one? False at the end of the stream. */
	explicit operator bool() const noexcept { return stream_; }

	/** Give it back now; nothing for none. */
	void release() noexcept
	{
		if (stream_)
			ndma_stream_release(std::exchange(stream_, nullptr), &frame_);
	}

	const ndma_frame &get() const noexcept { return frame_; }
	std::uint64_t sequence() const noexcept { return frame_.completion.sequence; }
	/** Frames lost between the one taken before it and this one. */
	std::uint64_t dropped() const noexcept { return frame_.dropped; }
	/** By CLOCK_MONOTONIC, which std::chrono::steady_clock is on Linux. */
	std::chrono::nanoseconds time() const noexcept
	{
		return std::chrono::nanoseconds(frame_.completion.timestamp_ns);
	}

	/** What was filled, as numbers of T, to look at until it is given back. */
	template <typename T> view<const T> samples() const noexcept
	{
		return {static_cast<const T *>(frame_.data), frame_.completion.bytes_used / sizeof(T)};
	}

	/** The same to write into: for streams whose options said writable. */
	template <typename T> view<T> writable() noexcept
	{
		return {static_cast<T *>(frame_.data), frame_.completion.bytes_used / sizeof(T)};
	}

	ndma_layout layout() const
	{
		ndma_layout layout;

		check(ndma_frame_layout(stream_, &frame_, &layout));
		return layout;
	}

private:
	ndma_frame frame_ = {};
	ndma_stream *stream_ = nullptr;
};

/** class stream - one run of a source into frames */
class stream
{
public:
	/** As ndma_stream_create(). */
	stream(const source &from, const ndma_stream_options &options)
	{
		ndma_stream *made = nullptr;

		check(ndma_stream_create(from.get(), &options, &made));
		stream_.reset(made);
	}

	ndma_stream *get() const noexcept { return stream_.get(); }

	/** Let the source fill frames: @count of them, or 0: until stopped. */
	void start(std::uint64_t count = 0) { check(ndma_stream_start(get(), count)); }
	/** No more frames; those that are ready can be taken. */
	void stop() { check(ndma_stream_stop(get())); }

	/**
	 * next() - take a frame
	 * @timeout: wait at most so long; 0: do not wait
	 *
	 * Return: the frame, or one that is false: the stream has ended. Throws -ETIMEDOUT, -EAGAIN, -EBUSY
	 * (the caller holds every frame), -EINTR, -ENODEV: as ndma_stream_next().
	 */
	frame next(std::chrono::nanoseconds timeout = forever)
	{
		ndma_frame taken;

		if (check(ndma_stream_next(get(), &taken, timeout.count())) == 0)
			return {};
		return {get(), taken};
	}

	/** Frames lost behind the last one that was taken: ndma_stream_missing(). */
	std::uint64_t missing() const
	{
		const std::int64_t frames = ndma_stream_missing(get());

		check(frames < 0 ? static_cast<int>(frames) : 0);
		return static_cast<std::uint64_t>(frames);
	}

	/** Counts since the stream was made. */
	struct ndma_stream_stats stats() const
	{
		struct ndma_stream_stats stats;

		check(ndma_stream_stats(get(), &stats));
		return stats;
	}

private:
	std::unique_ptr<ndma_stream, closer<ndma_stream_free>> stream_;
};

} /* namespace ndma */

#endif /* NDMA_HPP */

// SPDX-License-Identifier: MIT
/*
 * Lease: one view of a buffer. It is what memoryviews and arrays keep, so counting leases counts
 * also the views of consumers that drop the Py_buffer at once and keep only the object. The first
 * lease of a kind takes the backend's, the last one gives it back: in between a view of a buffer
 * that nobody else has costs no system call.
 */
#include "internal.h"

#include <errno.h>
#include <time.h>

/* Whether a transfer keeps `access` from the buffer's memory. */
static bool device_has(const struct ndma_buffer_info *info, uint32_t access)
{
	return info->owner == NDMA_OWNER_DEVICE &&
	       (info->direction & NDMA_FROM_DEVICE || access == NDMA_WRITE);
}

/* Whether this thread has begun a transfer of the memory, through any of its handles. */
static bool is_lent_by_us(const struct ext_buffer *buffer)
{
	const char *backend = ndma_buffer_backend(buffer->handle);
	const struct ext_buffer *lent;

	for (lent = buffer->state->lent; lent; lent = lent->lent_next)
		if (ext_process_is(lent->process) && lent->id == buffer->id &&
		    ndma_buffer_backend(lent->handle) == backend &&
		    lent->transfer_thread == PyThread_get_thread_ident())
			return true;
	return false;
}

/* The thread that began the transfer would wait for itself. */
static bool may_wait(const struct ext_buffer *buffer, const struct ndma_buffer_info *info)
{
	return info->owner == NDMA_OWNER_DEVICE && info->guard == NDMA_GUARD_BLOCK &&
	       !is_lent_by_us(buffer);
}

/* One attempt at the backend's lease: 0, or a negative errno of libndma. */
static int acquire_once(struct ext_buffer *buffer, uint32_t access)
{
	uint32_t joined;
	int ret;

	if (!buffer->views[access])
		return ndma_lease_acquire(buffer->handle, access, &buffer->lease[access]);
	if (!buffer->transfers && !buffer->shared)
		return 0;
	/* A guarded transfer may have begun under the lease that there is, through any handle in
	 * any process, or the lease may have been revoked. */
	ret = ndma_lease_acquire(buffer->handle, access, &joined);
	return ret ? ret : ndma_lease_release(buffer->handle, joined);
}

/* Sleeps a moment without the GIL, longer each time: nothing announces the end of a transfer. */
static int pause_for(struct ext_buffer *buffer, long *ns)
{
	struct timespec moment = { .tv_nsec = *ns };

	Py_BEGIN_ALLOW_THREADS nanosleep(&moment, NULL);
	Py_END_ALLOW_THREADS if (*ns < 10000000) *ns *= 2;
	return PyErr_CheckSignals() ? -1 : ext_buffer_check(buffer);
}

static void refuse(struct ext_buffer *buffer, int error)
{
	struct ndma_buffer_info info;

	if (error == -EBUSY && !ndma_buffer_info(buffer->handle, &info) &&
	    info.owner == NDMA_OWNER_DEVICE)
		ext_error_os(
			buffer->state->locked_error, EBUSY,
			PyUnicode_FromFormat(
				"the buffer is with its device (a transfer %s is in progress): wait for the "
				"end of the transfer",
				info.direction == NDMA_FROM_DEVICE ? "from it"
				: info.direction == NDMA_TO_DEVICE ? "to it"
								   : "both ways"));
	else
		ext_error(buffer->state, EXT_BUFFER, error);
}

/* Takes or joins the backend's lease: waits where a guard blocks, refuses where none does. With
 * `either`, memory that cannot be written now is leased to read. */
static int ensure_lease(struct ext_buffer *buffer, uint32_t *access, bool either)
{
	struct ndma_buffer_info info;
	long ns = 100000;
	int ret;

	while ((ret = acquire_once(buffer, *access))) {
		if (ret == -EBUSY && !ndma_buffer_info(buffer->handle, &info)) {
			if (either && *access == NDMA_WRITE && device_has(&info, NDMA_WRITE) &&
			    !device_has(&info, NDMA_READ)) {
				*access = NDMA_READ;
				continue;
			}
			if (may_wait(buffer, &info)) {
				if (pause_for(buffer, &ns))
					return -1;
				continue;
			}
		}
		refuse(buffer, ret);
		return -1;
	}
	return 0;
}

static int map(struct ext_buffer *buffer, uint32_t access)
{
	int ret;

	if (buffer->address[access])
		return 0;
	ret = ndma_buffer_map(buffer->handle, access, &buffer->address[access]);
	if (ret < 0)
		ext_error(buffer->state, EXT_BUFFER, ret);
	return ret;
}

/* "  File …" of who is asking, for LockedError. */
static PyObject *stack(void)
{
	PyObject *traceback = PyImport_ImportModule("traceback");
	PyObject *lines = traceback ? PyObject_CallMethod(traceback, "format_stack", NULL) : NULL;
	PyObject *empty = lines ? PyUnicode_FromString("") : NULL;
	PyObject *text = empty ? PyUnicode_Join(empty, lines) : NULL;

	Py_XDECREF(empty);
	Py_XDECREF(lines);
	Py_XDECREF(traceback);
	return text;
}

static void link_lease(struct ext_lease *lease, uint32_t access)
{
	struct ext_buffer *buffer = lease->buffer;

	lease->access = access;
	lease->process = buffer->process;
	lease->next = buffer->leases;
	lease->link = &buffer->leases;
	if (lease->next)
		lease->next->link = &lease->next;
	buffer->leases = lease;
	buffer->views[access]++;
}

static struct ext_lease *lease_alloc(struct ext_buffer *buffer)
{
	struct ext_lease *lease = PyObject_New(struct ext_lease, buffer->state->lease_type);

	if (!lease)
		return NULL;
	lease->buffer = (struct ext_buffer *)Py_NewRef(buffer);
	lease->layout = NULL;
	lease->link = NULL;
	lease->made = NULL;
	if (buffer->state->traces_leases && !(lease->made = stack())) {
		Py_DECREF(lease);
		return NULL;
	}
	return lease;
}

/* Access 0 becomes the most that the buffer allows; to write to a read-only buffer is refused. */
static int choose(const struct ext_buffer *buffer, uint32_t *access)
{
	if (!*access)
		*access = buffer->readonly ? NDMA_READ : NDMA_WRITE;
	if (*access == NDMA_READ || !buffer->readonly)
		return 0;
	PyErr_SetString(PyExc_ValueError,
			"this buffer is read-only: write through the one that it was made of");
	return -1;
}

struct ext_lease *ext_lease_new(struct ext_buffer *buffer, uint32_t access)
{
	bool either = !access;
	struct ext_lease *lease;

	/* The object comes first, for without it nobody would give the lease back. Tracing runs
	 * Python, so the buffer is checked after it. */
	lease = lease_alloc(buffer);
	if (!lease)
		return NULL;
	if (ext_buffer_check(buffer) || choose(buffer, &access) ||
	    ensure_lease(buffer, &access, either))
		goto give_back;
	/* From here on the view counts, and its dealloc gives the backend's lease back. */
	link_lease(lease, access);
	if (map(buffer, access))
		goto give_back;
	lease->data = buffer->address[access];
	if (buffer->shared && ext_buffer_refresh(buffer))
		goto give_back;
	lease->layout = ext_layout_get(buffer->layout);
	return lease;

give_back:
	Py_DECREF(lease);
	return NULL;
}

/* A lease dies in any thread, in the middle of anybody's code: see the rules in internal.h. */
static void lease_dealloc(PyObject *self)
{
	struct ext_lease *lease = (struct ext_lease *)self;
	struct ext_buffer *buffer = lease->buffer;
	PyTypeObject *type = Py_TYPE(self);

	/* A child's copies of its parent's leases count nowhere. */
	if (lease->link && ext_process_is(lease->process)) {
		*lease->link = lease->next;
		if (lease->next)
			lease->next->link = lease->link;
		if (!--buffer->views[lease->access])
			ndma_lease_release(buffer->handle, buffer->lease[lease->access]);
		ext_buffer_free_unused(buffer);
	}
	ext_layout_put(lease->layout);
	Py_XDECREF(lease->made);
	PyObject_Free(self);
	Py_DECREF(type);
	Py_DECREF(buffer);
}

static int lease_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
	struct ext_lease *lease = (struct ext_lease *)self;

	return ext_layout_export(lease->layout, lease->data, lease->access == NDMA_READ, self, view,
				 flags);
}

static PyObject *get_buffer(PyObject *self, void *unused)
{
	return Py_NewRef(((struct ext_lease *)self)->buffer);
}

static PyObject *get_access(PyObject *self, void *unused)
{
	return PyUnicode_FromString(((struct ext_lease *)self)->access == NDMA_READ ? "read"
										    : "write");
}

static PyObject *lease_repr(PyObject *self)
{
	struct ext_lease *lease = (struct ext_lease *)self;

	return PyUnicode_FromFormat("<ndma.Lease to %s %R>",
				    lease->access == NDMA_READ ? "read" : "write", lease->buffer);
}

static PyGetSetDef lease_getset[] = {
	{ "buffer", get_buffer, NULL, "Buffer: what it is a view of." },
	{ "access", get_access, NULL, "str: \"read\" or \"write\"." },
	{ NULL },
};

static PyType_Slot lease_slots[] = {
	{ Py_tp_doc,
	  "One view of a Buffer: the base of its arrays, the object of its memoryviews.\n\n"
	  "Examples\n--------\n"
	  ">>> buf = ndma.zeros(3)\n"
	  ">>> lease = buf.array().base\n"
	  ">>> lease.access, lease.buffer is buf\n"
	  "('write', True)" },
	{ Py_tp_dealloc, lease_dealloc },
	{ Py_tp_repr, lease_repr },
	{ Py_tp_getset, lease_getset },
	{ Py_bf_getbuffer, lease_getbuffer },
	{ 0, NULL },
};

static PyType_Spec lease_spec = {
	.name = "ndma.Lease",
	.basicsize = sizeof(struct ext_lease),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = lease_slots,
};

int ext_lease_setup(PyObject *module, struct ext_state *state)
{
	state->lease_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &lease_spec, NULL);
	return state->lease_type ? PyModule_AddType(module, state->lease_type) : -1;
}

/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ndma_own.h - who may do what with a buffer, while the CPU has it and while a device has it
 *
 * The module keeps these rules against everybody, the library's memfd backend among those who use it.
 * Integers only, no libc, no allocation; every function may be called from any context. Whoever calls
 * sees to it that struct ndma_own does not change meanwhile.
 *
 *   buffer is                   new lease    new layout  CPU mapping, with a guard    transfer begins
 *   the CPU's, not leased       yes          yes         open                         yes
 *   the CPU's, leased           yes          EBUSY       open                         EBUSY where the lease
 *                                                                                     conflicts, but for a guard
 *   a device's, which writes    EBUSY        EBUSY       closed                       EBUSY
 *   a device's, which reads     to read: yes EBUSY       closed, but for read-only    EBUSY
 *                               else EBUSY               handles
 *
 * A device writes in transfers %NDMA_FROM_DEVICE and %NDMA_BOTH, and conflicts with any lease; it
 * reads in %NDMA_TO_DEVICE, and conflicts with leases to write. Without a guard a mapping is open
 * whoever has the buffer.
 */
#ifndef NDMA_OWN_H
#define NDMA_OWN_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/errno.h>
#include <uapi/linux/ndma.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <linux/ndma.h>
#endif

/** NDMA_OWN_TIMEOUT_MAX_NS - longest time from the begin of a transfer to its deadline: one hour */
#define NDMA_OWN_TIMEOUT_MAX_NS	3600000000000ULL

/**
 * struct ndma_own - who has a buffer, at one moment
 * @direction: of the transfer in progress; 0: the buffer is the CPU's
 * @read_leases: leases to read
 * @write_leases: leases to write
 * @orphaned: the owner died in a transfer, and nobody was told yet
 */
struct ndma_own {
	__u32 direction;
	__u32 read_leases;
	__u32 write_leases;
	bool orphaned;
};

/** enum ndma_own_rule - which rule the arguments of a transfer break */
enum ndma_own_rule {
	NDMA_OWN_RULE_NONE,
	NDMA_OWN_RULE_DIRECTION,	/* one NDMA_FROM_DEVICE, NDMA_TO_DEVICE or NDMA_BOTH */
	NDMA_OWN_RULE_GUARD,		/* one NDMA_GUARD_… */
	NDMA_OWN_RULE_TIMEOUT,		/* 1 ns to %NDMA_OWN_TIMEOUT_MAX_NS */
};

/**
 * ndma_own_conflicts() - does a transfer keep others from looking at the buffer?
 * @direction: of the transfer; 0: there is none
 * @access: how they look: %NDMA_READ or %NDMA_WRITE
 */
static inline bool ndma_own_conflicts(__u32 direction, __u32 access)
{
	return direction && (direction != NDMA_TO_DEVICE || access == NDMA_WRITE);
}

/**
 * ndma_own_closes() - does a transfer close a mapping?
 * @direction: of the transfer; 0: there is none
 * @guard: its NDMA_GUARD_…
 * @access: %NDMA_WRITE for a mapping that may be written, whatever the touch does
 */
static inline bool ndma_own_closes(__u32 direction, __u32 guard, __u32 access)
{
	return guard != NDMA_GUARD_NONE && ndma_own_conflicts(direction, access);
}

/* ---------------------------------------------------------------- who may, by what handle */

/**
 * ndma_own_may_lease() - may this handle be used for a lease?
 * @readonly: the handle cannot write
 * @access: %NDMA_READ or %NDMA_WRITE
 *
 * False is -EPERM, as in the two below.
 */
static inline bool ndma_own_may_lease(bool readonly, __u32 access)
{
	return access != NDMA_WRITE || !readonly;
}

/**
 * ndma_own_may_transfer() - may this client begin and end transfers by this handle?
 * @owner: it has allocated the buffer
 * @readonly: the handle cannot write
 */
static inline bool ndma_own_may_transfer(bool owner, bool readonly)
{
	return owner && !readonly;
}

/**
 * ndma_own_may_set_layout() - may the layout be changed by this handle?
 * @stream: the buffer is a stream's, or a frame of one
 * @readonly: the handle cannot write
 */
static inline bool ndma_own_may_set_layout(bool stream, bool readonly)
{
	return !stream && !readonly;
}

/* ---------------------------------------------------------------- what is admitted, and when */

/**
 * ndma_own_admit_lease() - may there be one more lease now?
 * @own: who has the buffer
 * @access: %NDMA_READ or %NDMA_WRITE
 *
 * Return: 0; -EBUSY: a transfer conflicts; -EOWNERDEAD: the owner died in one, and what the buffer
 * holds is not to be trusted. That is told once: the caller forgets it, and the next lease is given.
 */
static inline int ndma_own_admit_lease(const struct ndma_own *own, __u32 access)
{
	if (ndma_own_conflicts(own->direction, access))
		return -EBUSY;
	return own->orphaned ? -EOWNERDEAD : 0;
}

/**
 * ndma_own_admit_layout() - may the layout change now?
 * @own: who has the buffer
 *
 * Return: 0; -EBUSY: somebody looks, or a device does.
 */
static inline int ndma_own_admit_layout(const struct ndma_own *own)
{
	return own->direction || own->read_leases || own->write_leases ? -EBUSY : 0;
}

/**
 * ndma_own_admit_transfer() - may a transfer begin now?
 * @own: who has the buffer
 * @direction: of the transfer
 * @guard: its NDMA_GUARD_…
 * @relayout: it leaves another layout in the buffer, as a fill may
 *
 * A guard makes leases no reason to wait, as it stops whoever touches; but it does not change what
 * they see.
 *
 * Return: 0; -EBUSY: another transfer, or a lease.
 */
static inline int ndma_own_admit_transfer(const struct ndma_own *own, __u32 direction,
					  __u32 guard, bool relayout)
{
	if (own->direction)
		return -EBUSY;
	if (relayout && ndma_own_admit_layout(own))
		return -EBUSY;
	if (guard != NDMA_GUARD_NONE)
		return 0;
	if (own->read_leases && ndma_own_conflicts(direction, NDMA_READ))
		return -EBUSY;
	return own->write_leases && ndma_own_conflicts(direction, NDMA_WRITE) ? -EBUSY : 0;
}

/**
 * ndma_own_check_transfer() - is this a transfer at all?
 * @direction: any number
 * @guard: any number
 * @timeout_ns: any number
 *
 * Return: the first rule that is broken, which is -EINVAL, or %NDMA_OWN_RULE_NONE.
 */
static inline enum ndma_own_rule ndma_own_check_transfer(__u32 direction, __u32 guard,
							 __u64 timeout_ns)
{
	if (direction < NDMA_FROM_DEVICE || direction > NDMA_BOTH)
		return NDMA_OWN_RULE_DIRECTION;
	if (guard > NDMA_GUARD_SIGBUS)
		return NDMA_OWN_RULE_GUARD;
	if (!timeout_ns || timeout_ns > NDMA_OWN_TIMEOUT_MAX_NS)
		return NDMA_OWN_RULE_TIMEOUT;
	return NDMA_OWN_RULE_NONE;
}

#endif /* NDMA_OWN_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What another thread may do between two steps of a call, done there for certain: the library's
 * mutexes are locked and unlocked through this program, and after_unlock() is called once, by the
 * thread that set it, as soon as that thread has unlocked all of its own.
 */
#ifndef NDMA_TEST_AFTER_UNLOCK_H
#define NDMA_TEST_AFTER_UNLOCK_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

static _Thread_local void (*after_unlock)(void);
static _Thread_local int locks_held;

typedef int mutex_call(pthread_mutex_t *mutex);

static inline mutex_call *libc_call(const char *name)
{
	mutex_call *call = (mutex_call *)dlsym(RTLD_NEXT, name);

	if (!call)
		abort();
	return call;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static mutex_call *call;
	mutex_call *lock = __atomic_load_n(&call, __ATOMIC_RELAXED);

	if (!lock)
		__atomic_store_n(&call, lock = libc_call(__func__), __ATOMIC_RELAXED);
	locks_held++;
	return lock(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	static mutex_call *call;
	mutex_call *unlock = __atomic_load_n(&call, __ATOMIC_RELAXED);
	void (*then)(void) = after_unlock;
	int rc;

	if (!unlock)
		__atomic_store_n(&call, unlock = libc_call(__func__), __ATOMIC_RELAXED);
	rc = unlock(mutex);
	if (!--locks_held && then) {
		after_unlock = NULL;
		then();
	}
	return rc;
}

#endif /* NDMA_TEST_AFTER_UNLOCK_H */

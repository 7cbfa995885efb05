/*
 * A mutex held until the end of the block. pthread's and not GLib's: GLib's are made of futexes
 * that ThreadSanitizer cannot see.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

static inline void lock_release_guard(pthread_mutex_t *const *mutex)
{
	pthread_mutex_unlock(*mutex);
}

static inline pthread_mutex_t *lock_acquire_guard(pthread_mutex_t *mutex)
{
	pthread_mutex_lock(mutex);
	return mutex;
}

/* Holds *mutex from here to the end of the enclosing block. */
#define LOCK_GUARD(mutex)                                                                          \
	__attribute__((cleanup(lock_release_guard), unused)) pthread_mutex_t *const G_PASTE(       \
		lock_guard_, __LINE__) = lock_acquire_guard(mutex)

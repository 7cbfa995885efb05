/*
 * GLib's locks and counted bytes as ThreadSanitizer has to see them.
 *
 * GLib is not built with TSan, and its GMutex is made of futexes, not of the pthread locks that
 * TSan knows: everything that such a lock protects would look like a race. With -Db_sanitize=thread
 * these definitions stand before GLib's: they tell TSan (sanitizer/tsan_interface.h) and call
 * GLib's.
 */
#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

static struct {
	void (*mutex_lock)(GMutex *mutex);
	gboolean (*mutex_trylock)(GMutex *mutex);
	void (*mutex_unlock)(GMutex *mutex);
	void (*mutex_clear)(GMutex *mutex);
	void (*cond_wait)(GCond *cond, GMutex *mutex);
	gboolean (*cond_wait_until)(GCond *cond, GMutex *mutex, gint64 end_time);
	void (*bytes_unref)(GBytes *bytes);
} real;

__attribute__((constructor)) static void find_real(void)
{
	*(void **)&real.mutex_lock = dlsym(RTLD_NEXT, "g_mutex_lock");
	*(void **)&real.mutex_trylock = dlsym(RTLD_NEXT, "g_mutex_trylock");
	*(void **)&real.mutex_unlock = dlsym(RTLD_NEXT, "g_mutex_unlock");
	*(void **)&real.mutex_clear = dlsym(RTLD_NEXT, "g_mutex_clear");
	*(void **)&real.cond_wait = dlsym(RTLD_NEXT, "g_cond_wait");
	*(void **)&real.cond_wait_until = dlsym(RTLD_NEXT, "g_cond_wait_until");
	*(void **)&real.bytes_unref = dlsym(RTLD_NEXT, "g_bytes_unref");
}

void g_mutex_lock(GMutex *mutex)
{
	__tsan_mutex_pre_lock(mutex, 0);
	real.mutex_lock(mutex);
	__tsan_mutex_post_lock(mutex, 0, 0);
}

gboolean g_mutex_trylock(GMutex *mutex)
{
	gboolean locked;

	__tsan_mutex_pre_lock(mutex, __tsan_mutex_try_lock);
	locked = real.mutex_trylock(mutex);
	__tsan_mutex_post_lock(
		mutex, __tsan_mutex_try_lock | (locked ? 0 : __tsan_mutex_try_lock_failed), 0);
	return locked;
}

void g_mutex_unlock(GMutex *mutex)
{
	(void)__tsan_mutex_pre_unlock(mutex, 0);
	real.mutex_unlock(mutex);
	__tsan_mutex_post_unlock(mutex, 0);
}

void g_mutex_clear(GMutex *mutex)
{
	real.mutex_clear(mutex);
	__tsan_mutex_destroy(mutex, 0);
}

/* Waiting unlocks the mutex and locks it again; TSan is to ignore how. */
static void begin_wait(GMutex *mutex)
{
	(void)__tsan_mutex_pre_unlock(mutex, 0);
	__tsan_mutex_post_unlock(mutex, 0);
	__tsan_mutex_pre_lock(mutex, 0);
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
	begin_wait(mutex);
	real.cond_wait(cond, mutex);
	__tsan_mutex_post_lock(mutex, 0, 0);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
	gboolean signaled;

	begin_wait(mutex);
	signaled = real.cond_wait_until(cond, mutex, end_time);
	__tsan_mutex_post_lock(mutex, 0, 0);
	return signaled;
}

/* Whoever drops the last reference frees what others have read. */
void g_bytes_unref(GBytes *bytes)
{
	if (bytes == NULL)
		return;
	__tsan_release(bytes);
	__tsan_acquire(bytes);
	real.bytes_unref(bytes);
}

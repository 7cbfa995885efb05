#include "client/authority.h"

#include <pthread.h>

#include "client/credential_files.h"
#include "client/credential_source.h"
#include "client/lock.h"
#include "client/loop.h"
#include "client/secret.h"

struct authority {
	gint references;
	char *path;
	unsigned int lifetime;
	pthread_mutex_t lock; /* guards all below */
	GBytes *pem;
	uint64_t checked; /* loop_now() */
	gboolean doubted;
	gboolean reading;
};

struct authority *authority_create(GBytes *pem, const char *path, unsigned int lifetime)
{
	struct authority *authority = g_new0(struct authority, 1);

	authority->references = 1;
	authority->path = g_strdup(path);
	authority->lifetime = lifetime;
	pthread_mutex_init(&authority->lock, NULL);
	authority->pem = g_bytes_ref(pem);
	authority->checked = loop_now();
	return authority;
}

struct authority *authority_unref(struct authority *authority)
{
	if (authority == NULL || !g_atomic_int_dec_and_test(&authority->references))
		return NULL;
	g_bytes_unref(authority->pem);
	pthread_mutex_destroy(&authority->lock);
	g_free(authority->path);
	g_free(authority);
	return NULL;
}

static void replace(struct authority *authority, GBytes *pem)
{
	LOCK_GUARD(&authority->lock);

	authority->reading = FALSE;
	authority->doubted = FALSE;
	authority->checked = loop_now();
	if (pem == NULL || g_bytes_equal(pem, authority->pem))
		return;
	g_bytes_unref(authority->pem);
	authority->pem = g_bytes_ref(pem);
}

static void *run_read(void *data)
{
	struct authority *authority = data;
	g_autoptr(GBytes) pem = NULL;
	g_autoptr(GError) error = NULL;
	int result = secret_file_read(
		authority->path, "certificate-authority", CREDENTIAL_PEM_LIMIT, &pem, &error);

	if (result == 0)
		result = credential_check_certificate(pem, "certificate-authority", &error);
	if (result < 0)
		g_debug("%s; the old authorities stay in use", error->message);
	replace(authority, result == 0 ? pem : NULL);
	authority_unref(authority);
	return NULL;
}

/* Under the lock. */
static gboolean is_due(const struct authority *authority)
{
	uint64_t age = loop_now() - authority->checked;

	return authority->path != NULL && !authority->reading &&
	       (age >= authority->lifetime || (authority->doubted && age >= AUTHORITY_DOUBT_MS));
}

GBytes *authority_get(struct authority *authority)
{
	LOCK_GUARD(&authority->lock);

	if (is_due(authority)) {
		authority->reading = TRUE;
		g_atomic_int_inc(&authority->references);
		g_thread_unref(g_thread_new("authority", run_read, authority));
	}
	return g_bytes_ref(authority->pem);
}

void authority_doubt(struct authority *authority)
{
	LOCK_GUARD(&authority->lock);

	authority->doubted = TRUE;
}

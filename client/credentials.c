#include "client/credentials.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "client/credential_source.h"
#include "client/error.h"
#include "client/secret.h"

#define RETRY_MICROSECONDS (CREDENTIALS_RETRY_SECONDS * (gint64)G_USEC_PER_SEC)

struct credentials {
	struct credential_source *source; /* NULL: static */
	struct credential_clock clock;
	int cancel_fd; /* an eventfd, readable once cancelled; -1 when static */
	gint references;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t ended; /* a run has ended */
	struct credential *current;
	uint64_t generation; /* the last one given away */
	gint64 expires; /* of current, wall clock; 0: never */
	gint64 due; /* elapsed clock: fetch again; 0: never */
	gint64 settled_until; /* elapsed clock: no fetch before, unless invalidated */
	gint64 useless_until; /* elapsed clock: a 401 brought the same content again */
	gint64 failed_until; /* elapsed clock: failure is the answer */
	GError *failure; /* of the last run, NULL when it succeeded */
	gboolean invalidated;
	gboolean running;
	gboolean cancelled;
	uint64_t runs; /* that have ended */
};

static gint64 clock_read(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint64 elapsed(const struct credentials *credentials)
{
	if (credentials->clock.elapsed != NULL)
		return credentials->clock.elapsed(credentials->clock.data);
	return clock_read(CLOCK_BOOTTIME);
}

static gint64 wall(const struct credentials *credentials)
{
	if (credentials->clock.wall != NULL)
		return credentials->clock.wall(credentials->clock.data);
	return clock_read(CLOCK_REALTIME);
}

struct credential *credential_ref(struct credential *credential)
{
	g_atomic_int_inc(&credential->references);
	return credential;
}

struct credential *credential_unref(struct credential *credential)
{
	if (credential == NULL || !g_atomic_int_dec_and_test(&credential->references))
		return NULL;
	secret_free(credential->authorization);
	g_clear_pointer(&credential->certificate, g_bytes_unref);
	g_clear_pointer(&credential->key, g_bytes_unref);
	g_free(credential);
	return NULL;
}

/* Makes content the current credential; one that is the same stays. Empties content. */
static gboolean adopt(struct credentials *credentials, struct credential_content *content)
{
	const struct credential *old = credentials->current;
	gboolean same_certificate = old != NULL &&
				    secret_bytes_equal(old->certificate, content->certificate) &&
				    secret_bytes_equal(old->key, content->key);
	struct credential *credential;

	credentials->expires = content->expires;
	if (same_certificate && g_strcmp0(old->authorization, content->authorization) == 0) {
		credential_content_finish(content);
		return FALSE;
	}
	credential = g_new0(struct credential, 1);
	credential->authorization = g_steal_pointer(&content->authorization);
	credential->certificate = g_steal_pointer(&content->certificate);
	credential->key = g_steal_pointer(&content->key);
	credential->generation = ++credentials->generation;
	credential->certificate_generation =
		same_certificate ? old->certificate_generation : credential->generation;
	credential->references = 1;
	credential_unref(credentials->current);
	credentials->current = credential;
	return TRUE;
}

static void plan_next(struct credentials *credentials, gint64 now)
{
	const struct credential_source *source = credentials->source;

	credentials->due = 0;
	if (source != NULL && source->lifetime != 0)
		credentials->due = now + (gint64)source->lifetime * G_USEC_PER_SEC;
}

int credentials_create(struct credential_source *source, struct credential_content *content,
	const struct credential_clock *clock, struct credentials **ret_credentials, GError **error)
{
	struct credential_content nothing = {0};
	struct credentials *credentials;
	int cancel_fd = -1;

	if (source == NULL && content == NULL)
		content = &nothing;
	if (source != NULL) {
		cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (cancel_fd < 0) {
			source->ops->destroy(source);
			return error_set(error, errno, "eventfd: %s", g_strerror(errno));
		}
	}
	credentials = g_new0(struct credentials, 1);
	credentials->source = source;
	credentials->cancel_fd = cancel_fd;
	credentials->references = 1;
	if (clock != NULL)
		credentials->clock = *clock;
	pthread_mutex_init(&credentials->lock, NULL);
	pthread_cond_init(&credentials->ended, NULL);
	if (content != NULL) {
		adopt(credentials, content);
		plan_next(credentials, elapsed(credentials));
	}
	*ret_credentials = credentials;
	return 0;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
	g_atomic_int_inc(&credentials->references);
	return credentials;
}

struct credentials *credentials_unref(struct credentials *credentials)
{
	if (credentials == NULL || !g_atomic_int_dec_and_test(&credentials->references))
		return NULL;
	if (credentials->source != NULL)
		credentials->source->ops->destroy(credentials->source);
	if (credentials->cancel_fd >= 0)
		close(credentials->cancel_fd);
	credential_unref(credentials->current);
	g_clear_error(&credentials->failure);
	pthread_cond_destroy(&credentials->ended);
	pthread_mutex_destroy(&credentials->lock);
	g_free(credentials);
	return NULL;
}

static gboolean stale(struct credentials *credentials)
{
	gint64 now;

	if (credentials->source == NULL)
		return FALSE;
	if (credentials->current == NULL || credentials->invalidated)
		return TRUE;
	now = elapsed(credentials);
	/* What a plugin has just said to be expired is sent all the same: the clocks may differ. */
	if (now < credentials->settled_until)
		return FALSE;
	if (credentials->expires != 0 && wall(credentials) >= credentials->expires)
		return TRUE;
	return credentials->due != 0 && now >= credentials->due;
}

int credentials_get(struct credentials *credentials, struct credential **ret_credential)
{
	int result = -EAGAIN;

	pthread_mutex_lock(&credentials->lock);
	if (!stale(credentials)) {
		*ret_credential = credential_ref(credentials->current);
		result = 0;
	}
	pthread_mutex_unlock(&credentials->lock);
	return result;
}

gboolean credentials_needs_refresh(struct credentials *credentials)
{
	gboolean result;

	pthread_mutex_lock(&credentials->lock);
	result = stale(credentials);
	pthread_mutex_unlock(&credentials->lock);
	return result;
}

/* Takes in how a run ended, under the lock. content is emptied, failure taken over. */
static void conclude(struct credentials *credentials, struct credential_content *content,
	GError *failure, gboolean after_refusal)
{
	gint64 now = elapsed(credentials);
	gboolean changed;

	g_clear_error(&credentials->failure);
	if (failure == NULL) {
		changed = adopt(credentials, content);
		plan_next(credentials, now);
		credentials->settled_until = now + RETRY_MICROSECONDS;
		if (after_refusal && !changed)
			credentials->useless_until = now + RETRY_MICROSECONDS;
	} else if (credentials->source->keeps_content && credentials->current != NULL &&
		   !credentials->cancelled) {
		g_debug("%s; the old credential stays in use", failure->message);
		g_error_free(failure);
		credentials->settled_until = now + RETRY_MICROSECONDS;
	} else {
		credentials->failure = failure;
		credentials->failed_until = now + RETRY_MICROSECONDS;
	}
	/* Also after a failure: client-go goes on with the old credential (exec.go). */
	credentials->invalidated = FALSE;
}

static void run(struct credentials *credentials)
{
	struct credential_content content = {0};
	gboolean after_refusal = credentials->invalidated;
	GError *failure = NULL;

	credentials->running = TRUE;
	pthread_mutex_unlock(&credentials->lock);
	credentials->source->ops->fetch(
		credentials->source, credentials->cancel_fd, &content, &failure);
	pthread_mutex_lock(&credentials->lock);
	conclude(credentials, &content, failure, after_refusal);
	credentials->running = FALSE;
	credentials->runs++;
	pthread_cond_broadcast(&credentials->ended);
}

static int answer(struct credentials *credentials, GError **error)
{
	const GError *failure = credentials->failure;

	if (failure == NULL)
		return 0;
	return error_set(error, failure->code, "%s", failure->message);
}

static int refresh(struct credentials *credentials, GError **error)
{
	uint64_t run_before = credentials->runs;

	if (credentials->cancelled)
		return error_set(error, ECANCELED, "the credentials are no longer in use");
	if (credentials->running) {
		while (credentials->runs == run_before)
			pthread_cond_wait(&credentials->ended, &credentials->lock);
		return answer(credentials, error);
	}
	if (!stale(credentials))
		return 0;
	if (credentials->failure == NULL || elapsed(credentials) >= credentials->failed_until)
		run(credentials);
	return answer(credentials, error);
}

int credentials_refresh(struct credentials *credentials, GError **error)
{
	int result;

	if (credentials->source == NULL)
		return 0;
	pthread_mutex_lock(&credentials->lock);
	result = refresh(credentials, error);
	pthread_mutex_unlock(&credentials->lock);
	return result;
}

gboolean credentials_invalidate(struct credentials *credentials, uint64_t generation)
{
	gboolean result = TRUE;

	if (credentials->source == NULL)
		return FALSE;
	pthread_mutex_lock(&credentials->lock);
	if (credentials->current == NULL || credentials->current->generation == generation) {
		/* Many requests may have been refused; one run answers them all. */
		if (elapsed(credentials) < credentials->useless_until)
			result = FALSE;
		else
			credentials->invalidated = TRUE;
	}
	pthread_mutex_unlock(&credentials->lock);
	return result;
}

void credentials_cancel(struct credentials *credentials)
{
	uint64_t one = 1;

	if (credentials->source == NULL)
		return;
	pthread_mutex_lock(&credentials->lock);
	credentials->cancelled = TRUE;
	pthread_mutex_unlock(&credentials->lock);
	/* Cannot fail short of 2^64 cancellations. */
	if (write(credentials->cancel_fd, &one, sizeof(one)) < 0)
		g_debug("eventfd: %s", g_strerror(errno));
}

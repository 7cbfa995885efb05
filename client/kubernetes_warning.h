/* Warning headers of the API server on their way to a person (KEP-1693). */
#pragma once

#include <glib.h>
#include <pthread.h>

/* Texts that are remembered; after these it begins anew. */
#define KUBERNETES_WARNINGS_MAX 256
/* A longer text is cut; the server itself cuts at 256 characters. */
#define KUBERNETES_WARNING_BYTES_MAX 1024

enum kubernetes_warn {
	KUBERNETES_WARN_ONCE, /* each text once: the next list would only repeat it */
	KUBERNETES_WARN_ALWAYS,
	KUBERNETES_WARN_HIDDEN, /* that there is one: an admission webhook may repeat a Secret */
};

struct kubernetes_warnings {
	void (*warning)(void *data, const char *text); /* immutable after listen; or NULL */
	void *data;
	pthread_mutex_t lock;
	GHashTable *told; /* of char *, owned; guarded by lock */
};

void kubernetes_warnings_init(struct kubernetes_warnings *warnings);
void kubernetes_warnings_finish(struct kubernetes_warnings *warnings);

/* Before any call is made. warning may be NULL. */
void kubernetes_warnings_listen(struct kubernetes_warnings *warnings,
	void (*warning)(void *data, const char *text), void *data);

/* text is escaped. Any thread; calls the listener with no lock held. */
void kubernetes_warnings_tell(
	struct kubernetes_warnings *warnings, enum kubernetes_warn warn, const char *text);

/*
 * Where a struct credentials (client/credentials.h) gets its content: the side of it that only
 * those who make credentials need. client/credential_files.h and client/exec_plugin.h are the
 * sources there are.
 */
#pragma once

#include <glib.h>

#include "client/credentials.h"

struct credential_content {
	char *authorization; /* or NULL */
	GBytes *certificate; /* with key, or both NULL */
	GBytes *key;
	gint64 expires; /* Unix time in microseconds; 0: never */
};

/* Wipes and releases what is in it, not itself. */
void credential_content_finish(struct credential_content *content);

struct credential_source;

struct credential_source_ops {
	/*
	 * Gets the content anew; may block, never runs twice at a time. Ends soon with
	 * -ECANCELED when cancel_fd becomes readable. *ret_content is the caller's to finish.
	 */
	int (*fetch)(struct credential_source *source, int cancel_fd,
		struct credential_content *ret_content, GError **error);
	void (*destroy)(struct credential_source *source);
};

/* Implementations embed this first. */
struct credential_source {
	const struct credential_source_ops *ops;
	unsigned int lifetime; /* seconds after which to fetch again; 0: only as content says */
	gboolean keeps_content; /* a fetch that fails leaves the old content in use */
};

/* Both in microseconds. NULL members: the system's (CLOCK_BOOTTIME, CLOCK_REALTIME). */
struct credential_clock {
	gint64 (*elapsed)(void *data); /* monotonic, runs on during suspend */
	gint64 (*wall)(void *data); /* Unix time */
	void *data;
};

/*
 * source: taken over, also on failure; NULL for content that never changes. content: what there is
 * to begin with, emptied; NULL when the first refresh brings it (without a source: nothing). clock:
 * copied, NULL for the system's.
 */
int credentials_create(struct credential_source *source, struct credential_content *content,
	const struct credential_clock *clock, struct credentials **ret_credentials, GError **error);

/* "Bearer TOKEN", -EINVAL (without a message) when token is empty or cannot be a header's value. */
int credential_bearer(const char *token, char **ret_authorization);
/* "Basic BASE64" (RFC 7617), -EINVAL (without a message) for a ':' or control character in user. */
int credential_basic(const char *user, const char *password, char **ret_authorization);

/*
 * -EINVAL with "WHERE: ..." when it is not PEM of the kind; -ENOTSUP for an encrypted key, for
 * which the TLS library would prompt. Looks at the armour only.
 */
int credential_check_certificate(GBytes *pem, const char *where, GError **error);
int credential_check_key(GBytes *pem, const char *where, GError **error);

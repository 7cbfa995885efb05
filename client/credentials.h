/*
 * What a request must carry to be let in, and how to get a new one. A struct credentials is the
 * source (static values, files that are read again, or an exec plugin); a struct credential is one
 * immutable answer of it.
 *
 * How a request uses it:
 *   credentials_get() == 0: send it.
 *   -EAGAIN: run credentials_refresh() on a thread that may block, then ask again.
 *   401 came: if credentials_invalidate(credential->generation), go through the same once more;
 *   else, or when the generation is the same afterwards, the 401 is the answer.
 *
 * Thread-safe throughout. Secrets are wiped before their memory is freed.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/* client-go/transport/token_source.go: a token file is read again after a minute. */
#define CREDENTIALS_TOKEN_SECONDS 60
/* client-go/transport/cert_rotation.go: certificate files after five. */
#define CREDENTIALS_CERTIFICATE_SECONDS 300
/* A plugin or file that failed is not tried again sooner; its error is the answer meanwhile. */
#define CREDENTIALS_RETRY_SECONDS 2

struct credential {
	char *authorization; /* the Authorization header's value ("Bearer ...", "Basic ..."), or
				NULL */
	GBytes *certificate; /* client certificate (chain), PEM, or NULL */
	GBytes *key; /* its private key, PEM; NULL exactly when certificate is */
	/*
	 * Changes exactly when the content does, never 0. certificate_generation likewise for
	 * certificate and key alone: connections made with another one must not be reused.
	 */
	uint64_t generation;
	uint64_t certificate_generation;
	gint references;
};

struct credentials;

struct credential *credential_ref(struct credential *credential);
struct credential *credential_unref(struct credential *credential); /* returns NULL; NULL is fine */

/*
 * The credential to send now; the caller owns a reference. Never blocks. -EAGAIN when a refresh
 * must come first: none yet, expired, invalidated, or its files are due to be read again. After a
 * refresh that returned 0 it is 0 (unless what came is expired or was invalidated already).
 */
int credentials_get(struct credentials *credentials, struct credential **ret_credential);
/* TRUE exactly when credentials_get would say -EAGAIN. Never blocks. */
gboolean credentials_needs_refresh(struct credentials *credentials);

/*
 * Reads the files or runs the plugin, if one is needed; blocks up to EXEC_PLUGIN_TIMEOUT_SECONDS
 * (client/exec_plugin.h). One run
 * at a time: a caller that comes meanwhile waits for it and shares its result. A file that cannot
 * be read again is no error while there is an old credential, which is kept (protocol.md 26).
 * Returns 0 or a negative errno with a one-line message: EACCES no credential to be had,
 * ETIMEDOUT, ENOENT no such command, ECANCELED after credentials_cancel.
 */
int credentials_refresh(struct credentials *credentials, GError **error);

/*
 * The server refused (401) the credential of this generation. Returns TRUE when sending again is
 * worth it: a newer one is there, or one can be asked for (and the next credentials_get says
 * -EAGAIN). FALSE when what there is never changes. Never blocks.
 */
gboolean credentials_invalidate(struct credentials *credentials, uint64_t generation);

/*
 * For the end of the program: a plugin that runs is killed, and its refresh and all later ones
 * return -ECANCELED at once. Never blocks.
 */
void credentials_cancel(struct credentials *credentials);

struct credentials *credentials_ref(struct credentials *credentials);
/* Returns NULL; NULL is fine. */
struct credentials *credentials_unref(struct credentials *credentials);

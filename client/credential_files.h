/*
 * Credentials from a kubeconfig user or a service account: fixed values, and files that are read
 * again from time to time (client-go/transport token_source.go and cert_rotation.go).
 */
#pragma once

#include "client/credential_source.h"

#define CREDENTIAL_TOKEN_LIMIT ((size_t)64 * 1024)
#define CREDENTIAL_PEM_LIMIT ((size_t)1024 * 1024)

/* Each value is given as itself, as a file's path, or not at all. Everything is copied. */
struct credential_files {
	const char *owner; /* begins the messages: user "x" in FILE */
	const char *authorization; /* the header's value */
	const char *token_path; /* blanks around the token do not count */
	GBytes *certificate;
	const char *certificate_path;
	GBytes *key;
	const char *key_path;
};

/*
 * Reads the files once. Errors are of those files: what open or read gave, -EINVAL an empty token
 * or no PEM. clock as in credentials_create.
 */
int credential_files_create(const struct credential_files *files,
	const struct credential_clock *clock, struct credentials **ret_credentials, GError **error);

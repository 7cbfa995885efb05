/*
 * The ExecCredential object, client.authentication.k8s.io v1 and v1beta1: what a plugin is told
 * and what it answers.
 */
#pragma once

#include "client/credential_source.h"

/* The value of KUBERNETES_EXEC_INFO. cluster: spec.cluster as JSON text, or NULL. */
char *exec_credential_info(const char *api_version, const char *cluster);

/*
 * Reads a plugin's answer (JSON, or YAML as client-go also takes it). -EINVAL with a message that
 * begins with owner and holds nothing of the text: no ExecCredential, another version, no
 * credential, or one that is not usable. *ret_content is the caller's to finish.
 */
int exec_credential_parse(const char *owner, const char *api_version, GBytes *text,
	struct credential_content *ret_content, GError **error);

/*
 * What a plugin wrote to stderr as one line for a person, its end kept. Whatever looks like a
 * credential, or stands in its stdout as well, becomes "[redacted]". The caller owns it.
 */
char *exec_credential_redact(GBytes *errors, GBytes *output);

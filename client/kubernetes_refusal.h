/*
 * Why the API server refused a change, for a person: its message and, field by field, its causes.
 *
 * For a Secret no words of the server go on, since they may repeat what was sent: validation does
 * ("Invalid value: ..."), decoders show a piece of the text, and an admission webhook may say
 * anything. What stays are the status, the reason, and of each cause its field and kind.
 */
#pragma once

#include "client/http.h"
#include "client/source.h"

/* More causes are counted, longer ones cut. */
#define KUBERNETES_CAUSES_MAX 128
#define KUBERNETES_CAUSE_BYTES_MAX 2048

struct kubernetes_refusal {
	char *reason;
	char *message;
	GPtrArray *causes; /* of char *, escaped, one line each; may be empty */
};

/* http may be NULL. Also for a success, of which there is little to say. Any thread. */
void kubernetes_refusal_read(struct kubernetes_refusal *refusal, struct source *source,
	gboolean secret, const struct source_result *result, const struct http_result *http);
void kubernetes_refusal_finish(struct kubernetes_refusal *refusal);

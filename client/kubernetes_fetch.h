/* One JSON object of the API, asked for and handed over whole. */
#pragma once

#include "client/json_text.h"
#include "client/kubernetes_call.h"

/* What came of it; all is valid during the call. */
struct kubernetes_fetched {
	const struct source_result *result;
	struct json_text json; /* the object; empty when result->errnum is not 0 */
	const char *content_type; /* what it came as, or "" */
	const struct http_result *http; /* the exchange; NULL when none was begun */
};

/* On the strand, exactly once. */
typedef void (*kubernetes_fetch_done)(void *data, const struct kubernetes_fetched *fetched);

/* As kubernetes_call_start. Returns the caller's reference. Any thread. */
struct source_call *kubernetes_fetch(struct kubernetes *kubernetes,
	const struct http_request *request, enum kubernetes_warn warn, GError *error,
	kubernetes_fetch_done done, void *data, struct strand *strand);

/* The source's get, schema, rules and ping. */
struct source_call *kubernetes_get(struct source *source, const struct source_scope *scope,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);
struct source_call *kubernetes_schema(struct source *source, const struct resource *resource,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);
struct source_call *kubernetes_rules(struct source *source, const char *namespace,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);
struct source_call *kubernetes_ping(struct source *source,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);

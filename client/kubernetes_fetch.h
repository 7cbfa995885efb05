/* One JSON object of the API, asked for and handed over whole. */
#pragma once

#include "client/json_text.h"
#include "client/kubernetes_call.h"

/*
 * On the strand, exactly once. json is the object's text, valid during the call, and content_type
 * what it came as; empty when result->errnum is not 0.
 */
typedef void (*kubernetes_fetched)(void *data, const struct source_result *result,
	struct json_text json, const char *content_type);

/* As kubernetes_call_start. Returns the caller's reference. Any thread. */
struct source_call *kubernetes_fetch(struct kubernetes *kubernetes,
	const struct http_request *request, GError *error, kubernetes_fetched done, void *data,
	struct strand *strand);

/* The source's get, rules and ping. */
struct source_call *kubernetes_get(struct source *source, const struct source_scope *scope,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);
struct source_call *kubernetes_rules(struct source *source, const char *namespace,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);
struct source_call *kubernetes_ping(struct source *source,
	const struct source_get_handlers *handlers, void *data, struct strand *strand);

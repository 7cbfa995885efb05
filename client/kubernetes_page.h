/*
 * One page of a list as it arrives, JSON or protobuf: its items, and what it says of itself.
 */
#pragma once

#include "client/source.h"

struct kubernetes_page;

struct kubernetes_page_options {
	gboolean protobuf; /* else JSON */
	const char *api_version; /* of the items; these two must outlive the page */
	const char *kind;
	void (*item)(void *data, const struct source_item *item); /* within kubernetes_page_feed */
	void *data;
};

struct kubernetes_page *kubernetes_page_create(const struct kubernetes_page_options *options);
void kubernetes_page_free(struct kubernetes_page *page); /* NULL is fine */

/*
 * The next piece, cut anywhere: 0, or a negative errno with error set, after which the page is of
 * no use: -EOPNOTSUPP when protobuf has something that is not known here, -EPROTO or -EMSGSIZE.
 */
int kubernetes_page_feed(
	struct kubernetes_page *page, const char *bytes, size_t length, GError **error);
/* The input is over: -EPROTO when it ended in the middle. */
int kubernetes_page_end(struct kubernetes_page *page, GError **error);

/* Valid until the page is freed; NULL while it did not say: the last page has no token. */
const char *kubernetes_page_version(const struct kubernetes_page *page);
const char *kubernetes_page_token(const struct kubernetes_page *page);

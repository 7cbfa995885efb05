/*
 * From the client thread to an exchange's strand: what arrives is queued in order and handed to
 * the handlers there. What is queued and not yet handled is bounded.
 */
#pragma once

#include <pthread.h>

#include "client/http.h"
#include "client/http_inflate.h"

/* Above this many queued bytes the transfer is paused; below a quarter of it resumed. */
#define HTTP_DELIVERY_BYTES_MAX ((size_t)4 << 20)
#define HTTP_DELIVERY_WARNINGS_MAX 64

struct http_delivery_block;

struct http_delivery_hooks {
	/* Room again after http_delivery_write said that there is none. On the strand. */
	void (*resume)(void *data);
	/* After the done handler. On the strand; may free the delivery. */
	void (*ended)(void *data);
};

struct http_delivery {
	struct http_handlers handlers;
	void *data;
	struct strand *strand;
	struct http_delivery_hooks hooks;
	void *hooks_data;
	gint canceled;
	struct http_inflate *inflate; /* the strand's; NULL when the body is not compressed */
	gboolean damaged; /* the strand's: the body cannot be inflated */
	pthread_mutex_t mutex;
	/* Guarded by the mutex. */
	GQueue blocks; /* of struct http_delivery_block * */
	struct http_delivery_block *spare; /* to use again: these are too big for malloc's bins */
	size_t queued;
	gboolean scheduled;
	gboolean full;
	gboolean dropped;
	GPtrArray *warnings; /* of char *, or NULL */
	int head_status; /* 0: no head waits */
	char *head_content_type;
	const char *head_server; /* borrowed until the done handler has run */
	gboolean head_gzip;
	const char *where;
	struct http_result *result; /* NULL until the end; its strings and object are owned */
};

/* handlers is copied, a reference to strand is taken. */
void http_delivery_init(struct http_delivery *delivery, const struct http_handlers *handlers,
	void *data, struct strand *strand, const struct http_delivery_hooks *hooks,
	void *hooks_data);
void http_delivery_finish(struct http_delivery *delivery);

/*
 * These on the client thread. Warnings are handed on before the head, the head before the body,
 * which is inflated on the strand when gzip says so. write copies bytes, or takes none and returns
 * FALSE when the queue is full. What is queued is handed on after flush, the end, or when it is
 * much: waking a thread for each piece of 16 KiB costs as much as receiving it.
 */
void http_delivery_warning(struct http_delivery *delivery, const char *text);
void http_delivery_head(
	struct http_delivery *delivery, const struct http_head *head, gboolean gzip);
gboolean http_delivery_write(struct http_delivery *delivery, const char *bytes, size_t length);
void http_delivery_flush(struct http_delivery *delivery);

/*
 * The end, once. result is copied but for its object, which is taken over. where is the
 * server's URL, and borrowed until the done handler has run. Any thread.
 */
void http_delivery_end(
	struct http_delivery *delivery, const struct http_result *result, const char *where);

/* From now on no head and no body is handed on, only the end. Any thread. */
void http_delivery_cancel(struct http_delivery *delivery);

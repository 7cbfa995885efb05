/*
 * From the client thread to an exchange's strand: what arrives is queued in order and handed to
 * the handlers there. What is queued and not yet handled is bounded.
 */
#pragma once

#include <pthread.h>

#include "client/http.h"

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
	struct http_result *result; /* NULL until the end; its strings and object are owned */
};

/* handlers is copied, a reference to strand is taken. */
void http_delivery_init(struct http_delivery *delivery, const struct http_handlers *handlers,
	void *data, struct strand *strand, const struct http_delivery_hooks *hooks,
	void *hooks_data);
void http_delivery_finish(struct http_delivery *delivery);

/*
 * These three on the client thread. Warnings are handed on before the head, the head before the
 * body. write copies bytes, or takes none and returns FALSE when the queue is full.
 */
void http_delivery_warning(struct http_delivery *delivery, const char *text);
void http_delivery_head(struct http_delivery *delivery, const struct http_head *head);
gboolean http_delivery_write(struct http_delivery *delivery, const char *bytes, size_t length);

/* The end, once. result is copied but for its object, which is taken over. Any thread. */
void http_delivery_end(struct http_delivery *delivery, const struct http_result *result);

/* From now on no head and no body is handed on, only the end. Any thread. */
void http_delivery_cancel(struct http_delivery *delivery);

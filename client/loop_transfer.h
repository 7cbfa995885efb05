/*
 * What client/http.c needs of the client thread besides client/loop.h: jobs and timers on that
 * thread, and libcurl transfers of its one multi handle.
 */
#pragma once

#include <curl/curl.h>

#include "client/loop.h"

/*
 * Runs job(data) on the client thread, in the order of posting. Any thread; never blocks. FALSE,
 * and nothing is posted, once loop_destroy has begun.
 */
gboolean loop_post(struct loop *loop, strand_job job, void *data);
gboolean loop_is_current(const struct loop *loop);

/* Called on the client thread by loop_destroy; no transfer or timer may be started from then on. */
struct loop_member {
	void (*stop)(struct loop_member *member);
};

/* Both on the client thread only. */
void loop_member_add(struct loop *loop, struct loop_member *member);
void loop_member_remove(struct loop *loop, struct loop_member *member);

/* Embedded by its owner. done is called on the client thread once easy is out of the multi handle.
 */
struct loop_transfer {
	CURL *easy;
	void (*done)(struct loop_transfer *transfer, CURLcode code);
};

/*
 * Starts transfer->easy, whose CURLOPT_PRIVATE this sets. done comes later, never from within this
 * call. Both on the client thread only, and not from within a libcurl callback.
 */
int loop_transfer_start(struct loop *loop, struct loop_transfer *transfer);
/* Takes it out again before its end: done does not come. Its stream or connection is closed. */
void loop_transfer_stop(struct loop *loop, struct loop_transfer *transfer);

#include "client/http_delivery.h"

#include <errno.h>
#include <string.h>

/* Big enough that a long list needs few allocations and calls; the first of a response is small. */
#define BLOCK_BYTES ((size_t)256 << 10)
#define BLOCK_FIRST_BYTES ((size_t)16 << 10)

struct http_delivery_block {
	size_t size;
	size_t length;
	struct http_delivery_block *next_spare;
	char bytes[];
};

/* What one turn on the strand hands on. */
struct parcel {
	GPtrArray *warnings;
	int head_status;
	char *head_content_type;
	const char *head_server;
	gboolean head_gzip;
	GQueue blocks;
	struct http_result *result;
};

void http_delivery_init(struct http_delivery *delivery, const struct http_handlers *handlers,
	void *data, struct strand *strand, const struct http_delivery_hooks *hooks,
	void *hooks_data)
{
	*delivery = (struct http_delivery){
		.handlers = *handlers,
		.data = data,
		.strand = strand_ref(strand),
		.hooks = *hooks,
		.hooks_data = hooks_data,
	};
	g_queue_init(&delivery->blocks);
	pthread_mutex_init(&delivery->mutex, NULL);
}

static void result_free(struct http_result *result)
{
	if (result == NULL)
		return;
	g_free((char *)result->reason);
	g_free((char *)result->message);
	g_free((char *)result->grpc_status);
	g_free((char *)result->grpc_message);
	cJSON_Delete(result->status_object);
	g_free(result);
}

static void drop_spares(struct http_delivery *delivery)
{
	struct http_delivery_block *block;

	while ((block = delivery->spare) != NULL) {
		delivery->spare = block->next_spare;
		g_free(block);
	}
}

void http_delivery_finish(struct http_delivery *delivery)
{
	g_queue_clear_full(&delivery->blocks, g_free);
	drop_spares(delivery);
	g_clear_pointer(&delivery->warnings, g_ptr_array_unref);
	g_free(delivery->head_content_type);
	result_free(delivery->result);
	http_inflate_free(delivery->inflate);
	strand_unref(delivery->strand);
	pthread_mutex_destroy(&delivery->mutex);
}

static gboolean is_canceled(struct http_delivery *delivery)
{
	return g_atomic_int_get(&delivery->canceled) != 0;
}

static void on_inflated(void *data, const char *bytes, size_t length)
{
	struct http_delivery *delivery = data;

	if (!is_canceled(delivery) && delivery->handlers.body != NULL)
		delivery->handlers.body(delivery->data, bytes, length);
}

static void hand_on_bytes(struct http_delivery *delivery, const char *bytes, size_t length)
{
	if (delivery->inflate == NULL)
		on_inflated(delivery, bytes, length);
	else if (http_inflate_run(delivery->inflate, bytes, length, on_inflated, delivery) < 0)
		delivery->damaged = TRUE;
}

static void hand_on_block(struct http_delivery *delivery, struct http_delivery_block *block)
{
	gboolean resume;

	if (!is_canceled(delivery) && !delivery->damaged)
		hand_on_bytes(delivery, block->bytes, block->length);
	pthread_mutex_lock(&delivery->mutex);
	delivery->queued -= block->length;
	if (is_canceled(delivery))
		delivery->dropped = TRUE;
	resume = delivery->full && delivery->queued <= HTTP_DELIVERY_BYTES_MAX / 4;
	if (resume)
		delivery->full = FALSE;
	block->next_spare = delivery->spare;
	delivery->spare = block;
	pthread_mutex_unlock(&delivery->mutex);
	if (resume)
		delivery->hooks.resume(delivery->hooks_data);
}

static void hand_on_head(struct http_delivery *delivery, const struct parcel *parcel)
{
	struct http_head head = {
		.status = parcel->head_status,
		.content_type = parcel->head_content_type,
		.server = parcel->head_server,
	};

	if (parcel->head_gzip) {
		delivery->inflate = http_inflate_create();
		delivery->damaged = delivery->inflate == NULL;
	}
	if (!is_canceled(delivery) && delivery->handlers.head != NULL)
		delivery->handlers.head(delivery->data, &head);
}

/* Damaged or cut. An empty body (204) was never compressed. */
static gboolean is_damaged(const struct http_delivery *delivery)
{
	return delivery->damaged ||
	       (delivery->inflate != NULL && http_inflate_is_cut(delivery->inflate));
}

static void hand_on_end(struct http_delivery *delivery, const struct http_result *result)
{
	struct http_result told = *result;
	g_autofree char *message = NULL;

	told.server = delivery->where;
	if (told.errnum == 0 && delivery->dropped) {
		told.errnum = ECANCELED;
		told.message = message = g_strdup_printf("%s: canceled", delivery->where);
	} else if (told.errnum == 0 && is_damaged(delivery)) {
		told.errnum = EIO;
		told.message = message =
			g_strdup_printf("%s: the compressed answer is damaged", delivery->where);
	}
	delivery->handlers.done(delivery->data, &told);
	delivery->hooks.ended(delivery->hooks_data);
}

/* Moves what waits into parcel. Called with the mutex held. */
static void take_parcel(struct http_delivery *delivery, struct parcel *parcel)
{
	*parcel = (struct parcel){
		.warnings = g_steal_pointer(&delivery->warnings),
		.head_status = delivery->head_status,
		.head_content_type = g_steal_pointer(&delivery->head_content_type),
		.head_server = delivery->head_server,
		.head_gzip = delivery->head_gzip,
		.blocks = delivery->blocks,
		.result = g_steal_pointer(&delivery->result),
	};
	delivery->head_status = 0;
	g_queue_init(&delivery->blocks);
}

/* Called with the mutex held. */
static gboolean is_waiting(const struct http_delivery *delivery)
{
	return delivery->warnings != NULL || delivery->head_status != 0 ||
	       !g_queue_is_empty((GQueue *)&delivery->blocks) || delivery->result != NULL;
}

static void deliver(void *data)
{
	struct http_delivery *delivery = data;
	struct http_delivery_block *block;
	struct parcel parcel;
	unsigned int i;

	pthread_mutex_lock(&delivery->mutex);
	take_parcel(delivery, &parcel);
	pthread_mutex_unlock(&delivery->mutex);
	for (i = 0; parcel.warnings != NULL && i < parcel.warnings->len; i++)
		delivery->handlers.warning(delivery->data, g_ptr_array_index(parcel.warnings, i));
	g_clear_pointer(&parcel.warnings, g_ptr_array_unref);
	if (parcel.head_status != 0)
		hand_on_head(delivery, &parcel);
	g_free(parcel.head_content_type);
	while ((block = g_queue_pop_head(&parcel.blocks)) != NULL)
		hand_on_block(delivery, block);
	if (parcel.result != NULL) {
		/* Nothing can follow; this may free the delivery. */
		hand_on_end(delivery, parcel.result);
		result_free(parcel.result);
		return;
	}
	pthread_mutex_lock(&delivery->mutex);
	delivery->scheduled = is_waiting(delivery);
	if (delivery->scheduled)
		strand_post(delivery->strand, deliver, delivery);
	else
		drop_spares(delivery); /* a watch may be quiet for long */
	pthread_mutex_unlock(&delivery->mutex);
}

/* Called with the mutex held. */
static void schedule(struct http_delivery *delivery)
{
	if (delivery->scheduled)
		return;
	delivery->scheduled = TRUE;
	strand_post(delivery->strand, deliver, delivery);
}

void http_delivery_warning(struct http_delivery *delivery, const char *text)
{
	if (delivery->handlers.warning == NULL)
		return;
	pthread_mutex_lock(&delivery->mutex);
	if (delivery->warnings == NULL)
		delivery->warnings = g_ptr_array_new_with_free_func(g_free);
	if (delivery->warnings->len < HTTP_DELIVERY_WARNINGS_MAX)
		g_ptr_array_add(delivery->warnings, g_strdup(text));
	pthread_mutex_unlock(&delivery->mutex);
}

void http_delivery_head(struct http_delivery *delivery, const struct http_head *head, gboolean gzip)
{
	pthread_mutex_lock(&delivery->mutex);
	delivery->head_status = head->status;
	delivery->head_content_type = g_strdup(head->content_type);
	delivery->head_server = head->server;
	delivery->head_gzip = gzip;
	pthread_mutex_unlock(&delivery->mutex);
}

/* Called with the mutex held. */
static struct http_delivery_block *new_block(struct http_delivery *delivery, size_t length)
{
	struct http_delivery_block *block = delivery->spare;
	size_t size;

	if (block != NULL && block->size >= length) {
		delivery->spare = block->next_spare;
	} else {
		size = delivery->spare == NULL && delivery->queued == 0 ? BLOCK_FIRST_BYTES
									: BLOCK_BYTES;
		size = MAX(size, length);
		drop_spares(delivery);
		block = g_malloc(sizeof(*block) + size);
		block->size = size;
	}
	block->length = 0;
	g_queue_push_tail(&delivery->blocks, block);
	return block;
}

gboolean http_delivery_write(struct http_delivery *delivery, const char *bytes, size_t length)
{
	struct http_delivery_block *block;
	gboolean room;

	pthread_mutex_lock(&delivery->mutex);
	room = delivery->queued == 0 || delivery->queued + length <= HTTP_DELIVERY_BYTES_MAX;
	delivery->full = !room;
	if (is_canceled(delivery)) {
		delivery->dropped = TRUE;
	} else if (room) {
		block = g_queue_peek_tail(&delivery->blocks);
		if (block == NULL || block->size - block->length < length)
			block = new_block(delivery, length);
		memcpy(block->bytes + block->length, bytes, length);
		block->length += length;
		delivery->queued += length;
	}
	if (delivery->queued >= BLOCK_BYTES)
		schedule(delivery);
	pthread_mutex_unlock(&delivery->mutex);
	return room;
}

void http_delivery_flush(struct http_delivery *delivery)
{
	pthread_mutex_lock(&delivery->mutex);
	if (is_waiting(delivery))
		schedule(delivery);
	pthread_mutex_unlock(&delivery->mutex);
}

static struct http_result *result_copy(const struct http_result *result)
{
	struct http_result *copy = g_memdup2(result, sizeof(*result));

	copy->reason = g_strdup(result->reason);
	copy->message = g_strdup(result->message);
	copy->grpc_status = g_strdup(result->grpc_status);
	copy->grpc_message = g_strdup(result->grpc_message);
	return copy;
}

void http_delivery_end(
	struct http_delivery *delivery, const struct http_result *result, const char *where)
{
	pthread_mutex_lock(&delivery->mutex);
	delivery->where = where;
	delivery->result = result_copy(result);
	schedule(delivery);
	pthread_mutex_unlock(&delivery->mutex);
}

void http_delivery_cancel(struct http_delivery *delivery)
{
	g_atomic_int_set(&delivery->canceled, 1);
}

#include "cache/admission.h"
#include "client/lock.h"

struct ticket {
	struct strand *strand;
	strand_job job;
	void *data;
};

struct admission {
	pthread_mutex_t lock;
	unsigned int free;
	GQueue waiting; /* of struct ticket * */
};

struct admission *admission_create(unsigned int places)
{
	struct admission *admission = g_new0(struct admission, 1);

	pthread_mutex_init(&admission->lock, NULL);
	g_queue_init(&admission->waiting);
	admission->free = places;
	return admission;
}

void admission_destroy(struct admission *admission)
{
	if (admission == NULL)
		return;
	g_assert(g_queue_is_empty(&admission->waiting));
	pthread_mutex_destroy(&admission->lock);
	g_free(admission);
}

void admission_enter(struct admission *admission, struct strand *strand, strand_job job, void *data)
{
	LOCK_GUARD(&admission->lock);
	struct ticket *ticket;

	if (admission->free > 0) {
		admission->free--;
		strand_post(strand, job, data);
		return;
	}
	ticket = g_new(struct ticket, 1);
	*ticket = (struct ticket){strand_ref(strand), job, data};
	g_queue_push_tail(&admission->waiting, ticket);
}

void admission_leave(struct admission *admission)
{
	LOCK_GUARD(&admission->lock);
	struct ticket *ticket = g_queue_pop_head(&admission->waiting);

	if (ticket == NULL) {
		admission->free++;
		return;
	}
	strand_post(ticket->strand, ticket->job, ticket->data);
	strand_unref(ticket->strand);
	g_free(ticket);
}

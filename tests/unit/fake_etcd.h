/*
 * An etcd in memory behind client/etcd.h: keys, revisions, history, watches, compaction. Linked in
 * place of the client. It holds the cache to its contract: a call after the client's destruction
 * aborts the test. Any thread.
 */
#pragma once

#include "client/etcd.h"

struct fake_etcd;

/* With one reference for the test; the client is whoever is given it. */
struct fake_etcd *fake_etcd_create(void);
void fake_etcd_unref(struct fake_etcd *fake);
struct etcd_client *fake_etcd_client(struct fake_etcd *fake);

/* Each returns the revision that it made. */
int64_t fake_etcd_put(struct fake_etcd *fake, const char *key, const char *value);
int64_t fake_etcd_put_bytes(struct fake_etcd *fake, GBytes *key, GBytes *value, int64_t lease);
int64_t fake_etcd_delete(struct fake_etcd *fake, const char *key);
int64_t fake_etcd_delete_bytes(struct fake_etcd *fake, GBytes *key);

/* What came before revision can no more be told. */
void fake_etcd_compact(struct fake_etcd *fake, int64_t revision);
/* Nothing answers: calls under way end, later ones fail. */
void fake_etcd_set_away(struct fake_etcd *fake, gboolean away);
/* Ends the watches, as servers do. errnum 0: in peace. */
void fake_etcd_end_watches(struct fake_etcd *fake, int errnum);
/* The next watch is accepted by a member that is so many revisions behind. */
void fake_etcd_lag(struct fake_etcd *fake, int64_t revisions);
/* Ranges are refused like this; 0: no more. */
void fake_etcd_refuse(struct fake_etcd *fake, int errnum);
/* Ranges wait until they are let go. */
void fake_etcd_hold(struct fake_etcd *fake, gboolean hold);
/* All data is gone and revisions begin anew. */
void fake_etcd_erase(struct fake_etcd *fake);
/* Calls job(data) once, in the middle of the next range: after its first key, or its end. */
void fake_etcd_interject(struct fake_etcd *fake, void (*job)(void *data), void *data);

/* How the next transaction fails, once. */
struct fake_etcd_fault {
	int errnum;
	gboolean uncertain;
	gboolean arrives; /* it is done all the same */
	void (*job)(void *data); /* called then, before the answer; or NULL */
	void *data;
};
void fake_etcd_fail_txn(struct fake_etcd *fake, const struct fake_etcd_fault *fault);
/* Transactions wait until they are let go. */
void fake_etcd_hold_txns(struct fake_etcd *fake, gboolean hold);
/* Until one of them does. */
void fake_etcd_wait_txn(struct fake_etcd *fake);
unsigned int fake_etcd_txns(struct fake_etcd *fake); /* ever sent */
/* What is there now: a reference, or NULL. */
GBytes *fake_etcd_get(struct fake_etcd *fake, const char *key);
int64_t fake_etcd_get_lease(struct fake_etcd *fake, const char *key);

struct fake_etcd_count {
	unsigned int ranges;
	unsigned int keys; /* that ranges gave */
	unsigned int values; /* likewise */
	uint64_t counted; /* keys in these ranges, whatever their limit */
	unsigned int watches; /* ever begun */
	unsigned int watching; /* now */
};
void fake_etcd_get_count(struct fake_etcd *fake, struct fake_etcd_count *ret);
/* The ranges' counts begin anew. */
void fake_etcd_forget_count(struct fake_etcd *fake);

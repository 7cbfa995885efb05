/*
 * Objects with versions behind a fake_source: it answers gets, changes, old versions and schemas as
 * an API server does, and goes wrong when it is told to. It sends no watch events.
 */
#pragma once

#include "tests/unit/fake_source.h"

struct fake_cluster;

enum fake_fault {
	FAULT_NONE,
	FAULT_LOST, /* the change does not arrive, and nobody knows */
	FAULT_UNANSWERED, /* it does, and nobody knows */
	FAULT_HELD, /* it arrives when fake_cluster_release is called */
	FAULT_REFUSED, /* 422 with causes */
	FAULT_BUSY, /* 503 */
	FAULT_MOVED, /* somebody else's change of the status comes first */
	FAULT_CONFLICT, /* 409 for no reason */
};

/* Answers GET, GET_AT, CHANGE, SCHEMA and LIST of fake from now on; the caller has a reference. */
struct fake_cluster *fake_cluster_create(struct fake_source *fake);
void fake_cluster_destroy(struct fake_cluster *cluster);

/*
 * Stores json, which needs metadata.name and namespace, with a new version, and with a uid of its
 * own unless there is one of that name. Returns the version; g_free.
 */
char *fake_cluster_put(struct fake_cluster *cluster, const char *json);
/* Somebody else sets section.key of an object that may be there to the JSON value (NULL: takes it
 * away). Version; g_free. */
char *fake_cluster_set(struct fake_cluster *cluster, const char *name, const char *section,
	const char *key, const char *value);
void fake_cluster_delete(struct fake_cluster *cluster, const char *name);
/* The stored JSON, or NULL; g_free. */
char *fake_cluster_json(struct fake_cluster *cluster, const char *name);
/* section.key as JSON text, "" when it is not there; g_free. */
char *fake_cluster_value(
	struct fake_cluster *cluster, const char *name, const char *section, const char *key);

/* The next changes go wrong like this, one after another. */
void fake_cluster_fault(struct fake_cluster *cluster, enum fake_fault fault);
/* That many of the next gets fail. */
void fake_cluster_fail_gets(struct fake_cluster *cluster, unsigned int count);
/* A get, and a list, waits for fake_cluster_release. */
void fake_cluster_hold_gets(struct fake_cluster *cluster);
/* Waits until something is held, then lets it go on. */
void fake_cluster_release(struct fake_cluster *cluster);
/* Waits until something is held. */
void fake_cluster_await_held(struct fake_cluster *cluster);
/* Called before the next change is looked at, with no lock held. */
void fake_cluster_before_change(
	struct fake_cluster *cluster, void (*function)(struct fake_cluster *cluster));
/* Versions up to this are forgotten; may not be listed (403). */
void fake_cluster_compact(struct fake_cluster *cluster);
void fake_cluster_forbid_old(struct fake_cluster *cluster);
/* What schemas are answered with; NULL: 404. */
void fake_cluster_schema(struct fake_cluster *cluster, const char *json);

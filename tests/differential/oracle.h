/*
 * The program that answers with kubectl's own code (tests/cluster/oracle), on a pipe.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct oracle;

struct oracle_request {
	char operation; /* as the oracle's main.go lists them */
	const char *payload;
	size_t length;
};

struct oracle_response {
	bool failed; /* text is the reason */
	const char *text; /* valid until the next exchange */
	size_t length;
};

/* Starts the program. Returns NULL and sets error. */
struct oracle *oracle_create(const char *path, GError **error);
void oracle_destroy(struct oracle *oracle); /* NULL is fine */

/* Sends all requests and collects the response of each. A dead oracle ends the program. */
void oracle_exchange(struct oracle *oracle, const struct oracle_request *requests, size_t count,
	struct oracle_response *ret_responses);

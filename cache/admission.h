/*
 * A small number of places for lists under way at a time: a recursive grep that meets forty
 * collections must not ask the server for all of them at once.
 */
#pragma once

#include "client/strand.h"

struct admission;

struct admission *admission_create(unsigned int places);
void admission_destroy(struct admission *admission); /* nobody may be inside or waiting */

/*
 * Posts job(data) to strand once a place is free; the place is then the job's until
 * admission_leave. First come, first served. Any thread.
 */
void admission_enter(
	struct admission *admission, struct strand *strand, strand_job job, void *data);
void admission_leave(struct admission *admission);

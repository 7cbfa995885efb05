/*
 * What a test of processes lets others do: programs of one process, which this program becomes when
 * it is started with "child NAME". (After a fork in a program with threads little is allowed.)
 */
#pragma once

/* Runs the child if there is one to run, and does not return then. First in main. */
void process_child_main(int argc, char **argv);

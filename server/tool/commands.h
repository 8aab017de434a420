/* The commands of varve: each takes its own words, its name first, and returns the exit code. */
#ifndef VRV_TOOL_COMMANDS_H
#define VRV_TOOL_COMMANDS_H

int cmd_topic(int argc, char **argv);
int cmd_produce(int argc, char **argv);
int cmd_consume(int argc, char **argv);
int cmd_group(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_tier(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_scrub(int argc, char **argv);
int cmd_store(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_proto(int argc, char **argv);
int cmd_log(int argc, char **argv);

#endif

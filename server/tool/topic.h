/* varve topic: the subcommands that only look. */
#ifndef VRV_TOOL_TOPIC_H
#define VRV_TOOL_TOPIC_H

#include "server/tool/kafka.h"

extern const char topic_ls_help[], topic_describe_help[];
int topic_ls(struct kafka *k, struct args *a, struct vrv_err *e);
int topic_describe(struct kafka *k, struct args *a, struct vrv_err *e);

#endif

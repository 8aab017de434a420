/*
 * A topic's settings, as the policy wants them: every limit a number, what follows another one resolved
 * as Kafka does.
 */
#ifndef VRV_DAEMON_RULES_H
#define VRV_DAEMON_RULES_H

#include "engine/log/log.h"
#include "tiering/daemon/policy.h"

void vrv_tier_rules_of(const struct vrv_log_config *c, struct vrv_tier_rules *out);

#endif

#include "server/net/net_int.h"

void
vrv_net_opts_default(struct vrv_net_opts *o)
{
    *o = (struct vrv_net_opts){
        .clock = vrv_clock_real(),
        .backlog = 1024,
        .send_buffer = -1,
        .receive_buffer = -1,
        .frame_max = 100 * 1024 * 1024,
        .header_ms = 10 * 1000,
        .body_ms = 10 * 1000,
        .body_rate = 4096,
        .idle_ms = 10 * 60 * 1000,
        .linger_ms = 1000,
        .linger_bytes = 1024 * 1024,
        .conns = { .total = 20000, .per_address = 1000, .per_second = 200 },
        .conn_request_bytes = 16 * 1024 * 1024,
        .conn_calls = 1000,
        .conn_unsent_bytes = 16 * 1024 * 1024,
        .stalled_ms = 5000,
        .send_portion = 128 * 1024,
        .notsent_lowat = 256 * 1024,
        .retry_ms = 20,
    };
}

void
vrv__net_env_init(struct vrv_net_env *env, const struct vrv_net_opts *o)
{
    size_t pool = o->pool->budget;

    env->o = *o;
    if (env->o.request_bytes_max == 0)
        env->o.request_bytes_max = pool / 4;
    if (env->o.unsent_bytes_max == 0)
        env->o.unsent_bytes_max = pool / 4;
    /* While it grows a frame is there twice in part; what could never get its memory is refused. */
    if (env->o.frame_max > pool / 2)
        env->o.frame_max = (uint32_t)(pool / 2);
    env->requests.max = env->o.request_bytes_max;
}

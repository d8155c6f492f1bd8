/* The output of a job: reading its pipes into what is kept of each stream and of both. */
#ifndef SBX_OUTPUT_H
#define SBX_OUTPUT_H

#include "engine/job.h"

/* Reads one piece of a stream: its size, with *text at it; 0: nothing now, or the end. */
size_t sbx_output_read(struct sbx_job *job, int which, const char **text);
void sbx_output_end(struct sbx_stream_state *stream);
bool sbx_output_ended(const struct sbx_job *job); /* both streams */
/* Nobody of the tree writes any more: what the pipes hold now is all that is the command's. Who got
 * hold of one outside of the tree could write for ever. */
void sbx_output_last(struct sbx_job *job);
void sbx_output_dropped(const struct sbx_job *job, uint64_t dropped[3]);

#endif

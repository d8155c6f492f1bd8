/* connect(2) on behalf of a command that may reach some addresses of the internet and no others.
 *
 * The command keeps its own socket, in the host's network; but it is the supervisor's worker that
 * connects it, to its own copy of the address. The other way, a network namespace without an
 * interface and a socket put over the command's descriptor (SECCOMP_ADDFD_FLAG_SETFD), would hold
 * the same doors shut only once more: what was put there is a socket of the host's, and by
 * MSG_FASTOPEN, listen(2) or a source route it leads anywhere as soon as its peer has closed it, so
 * that the filter has to refuse all of these anyway. It costs 400 to 600 us a run, needs a
 * namespace, loses what a program has set or registered on its socket before (options, epoll, a
 * second descriptor), and a connect that doesn't block would have to. On the command's own socket
 * one that doesn't block is begun by the worker and goes on as it would (EINPROGRESS, poll(2),
 * SO_ERROR, time-outs of its own). Behind it stands Landlock, where the kernel has it for TCP: the
 * command's own connect would be refused, whatever the filter let through. */
#ifndef SBX_CONNECTOR_H
#define SBX_CONNECTOR_H

#include "engine/broker.h"

/* In a worker of the broker's. bytes: the address, as copied out of the caller. answers: where the
 * host's answer to a question comes, or -1. 0, or the errno that the call fails with. */
int sbx_connector_call(const struct sbx_broker *broker, const struct seccomp_notif *taken,
                       const void *bytes, size_t size, int answers);

/* Whether it is for an address of the internet. */
bool sbx_connector_takes(const void *bytes, size_t size);
/* Whether the address is listed, or the host is asked. */
bool sbx_connector_lists(const struct sbx_broker *broker, const void *bytes, size_t size);

#endif

/* System call filters: compiled by libseccomp to plain BPF before there is a process. */
#ifndef SBX_SECCOMP_H
#define SBX_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>

#include "sbx.h"

struct sbx_filter; /* under construction */

struct sbx_filter *sbx_filter_new(void);
void sbx_filter_free(struct sbx_filter *filter);
/* 0, or a positive errno. ENOENT: neither the name nor a number is known here. ENOTSUP: a second
 * rule for one call that winds. */
int sbx_filter_refuse(struct sbx_filter *filter, const char *name, int number, int errno_value,
                      const struct sbx_arg *args, unsigned nargs);
/* The number of a call of this architecture: below 0: it has none (-1: not known at all). */
int sbx_call_number(const char *name, int number);
/* Whether a rule goes on to another argument from other than equality. */
bool sbx_rule_winds(const struct sbx_arg *args, unsigned nargs);
/* This architecture, as a filter's data has it. */
uint32_t sbx_call_arch(void);
/* The program (free() it) and the number of its instructions, or NULL and errno. */
struct sock_filter *sbx_filter_export(struct sbx_filter *filter, size_t *count);
/* Installs a program on the calling thread: 0, or -1 and errno. Needs no_new_privs. */
int sbx_filter_install(struct sock_filter *program, size_t count);
/* The same; gives the descriptor that hands over what is done on behalf (seccomp_unotify(2)). */
int sbx_filter_install_listening(struct sock_filter *program, size_t count);
bool sbx_filter_action_available(unsigned action);

#endif

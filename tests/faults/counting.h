#ifndef FAULTS_COUNTING_H
#define FAULTS_COUNTING_H

#include <stdbool.h>
#include <stddef.h>

/* The program's: whether this allocation, of the code at `caller`, fails. */
bool counting_refuses(const void *caller);

/* Blocks that are held now. */
long counting_held(void);

#endif

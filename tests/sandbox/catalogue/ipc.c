/* What the host shares by key, name or number: System V, POSIX queues, /dev/shm, /tmp, keys. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>

static int object(void) {
  int id = atoi(own("object"));
  if (id < 0 || !*own("object")) exit(5);
  return id;
}

static long shm_read(void) {
  char *bytes = shmat(object(), NULL, SHM_RDONLY);
  if (bytes == (void *)-1) return -1;
  leak(bytes, (ssize_t)strlen(bytes));
  return 0;
}
static long shm_write(void) {
  char *bytes = shmat(object(), NULL, 0);
  if (bytes == (void *)-1) return -1;
  return memcpy(bytes, "changed", 7) ? 0 : -1;
}
static long shm_remove(void) {
  return shmctl(object(), IPC_RMID, NULL);
}
static long shm_mode(void) {
  struct shmid_ds ds = {.shm_perm = {.uid = getuid(), .gid = getgid(), .mode = 0666}};
  return shmctl(object(), IPC_SET, &ds);
}
static long sem_change(void) {
  return semop(object(), &(struct sembuf){0, 1, 0}, 1);
}

struct letter {
  long type;
  char bytes[64];
};
static long message_send(void) {
  struct letter letter = {1, "changed"};
  return msgsnd(object(), &letter, 8, IPC_NOWAIT);
}
static long message_receive(void) {
  struct letter letter = {0};
  ssize_t size = msgrcv(object(), &letter, sizeof letter.bytes, 0, IPC_NOWAIT);
  leak(letter.bytes, size);
  return size;
}

static char *queue(void) {
  return text("/%s-%s", fact("id"), current);
}
static long queue_send(void) {
  mqd_t fd = mq_open(queue(), O_WRONLY | O_NONBLOCK);
  return fd < 0 ? -1 : mq_send(fd, "changed", 7, 0);
}
static long queue_receive(void) {
  char bytes[64];
  mqd_t fd = mq_open(queue(), O_RDONLY | O_NONBLOCK);
  ssize_t size = fd < 0 ? -1 : mq_receive(fd, bytes, sizeof bytes, NULL);
  leak(bytes, size);
  return size;
}
static long queue_remove(void) {
  return mq_unlink(queue());
}

static long shared_write(void) {
  return put(open(text("/dev/shm/%s-%s", fact("id"), current), O_WRONLY));
}
static long shared_create(void) {
  return put(open(text("/dev/shm/%s-%s", fact("id"), current), O_WRONLY | O_CREAT, 0600));
}
static long temporary_create(void) {
  return put(open(text("/tmp/%s-%s", fact("id"), current), O_WRONLY | O_CREAT, 0600));
}
static long temporary_write(void) {
  return put(open(text("/tmp/%s-%s", fact("id"), current), O_WRONLY));
}

static char *key_name(void) {
  return text("%s.%s", fact("id"), current);
}
static long key_search(void) {
  return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", key_name(), 0);
}
static long key_read(void) {
  char bytes[64];
  long key = key_search();
  if (key < 0) key = strtol(own("object"), NULL, 10);
  long size = syscall(SYS_keyctl, KEYCTL_READ, key, bytes, sizeof bytes);
  leak(bytes, size);
  return size;
}
static long key_write(void) {
  long key = strtol(own("object"), NULL, 10);
  return syscall(SYS_keyctl, KEYCTL_UPDATE, key, "changed", 7);
}
static long key_add(void) {
  return syscall(SYS_add_key, "user", text("%s-%s", fact("id"), current), "changed", 7,
                 KEY_SPEC_USER_KEYRING);
}
static long key_request(void) {
  char bytes[64];
  long key = syscall(SYS_request_key, "user", key_name(), NULL, 0);
  if (key < 0) return -1;
  long size = syscall(SYS_keyctl, KEYCTL_READ, key, bytes, sizeof bytes);
  leak(bytes, size);
  return size;
}

const struct attempt ipc_attempts[] = {
    {"ipc_memory_read", "read the host's shared memory", shm_read, NULL, NULL},
    {"ipc_memory_write", "write it", shm_write, NULL, NULL},
    {"ipc_memory_remove", "remove it", shm_remove, NULL, NULL},
    {"ipc_memory_mode", "change its mode", shm_mode, NULL, NULL},
    {"ipc_semaphore", "change a semaphore", sem_change, NULL, NULL},
    {"ipc_message_send", "send a message", message_send, NULL, NULL},
    {"ipc_message_receive", "take a message", message_receive, NULL, NULL},
    {"ipc_queue_send", "send to a POSIX queue", queue_send, NULL, NULL},
    {"ipc_queue_receive", "take from a POSIX queue", queue_receive, NULL, NULL},
    {"ipc_queue_remove", "mq_unlink", queue_remove, NULL, NULL},
    {"ipc_shared_write", "write a file of /dev/shm", shared_write, NULL, NULL},
    {"ipc_shared_create", "make a file in /dev/shm", shared_create, NULL, NULL},
    {"ipc_temporary_write", "write a file of /tmp", temporary_write, NULL, NULL},
    {"ipc_temporary_create", "make a file in /tmp", temporary_create, NULL, NULL},
    {"ipc_key_read", "read a key", key_read, NULL, NULL},
    {"ipc_key_request", "request_key and read", key_request, NULL, NULL},
    {"ipc_key_write", "change a key", key_write, NULL, NULL},
    {"ipc_key_add", "add a key to the user's ring", key_add, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

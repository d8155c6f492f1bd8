/* The host's shared objects, each made for one attempt; afterwards compared and removed. */
#include "catalogue.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { MOST = 32 };

static struct {
  const char *name;
  long id;
} objects[MOST];
static int count;

static int is(const char *prefix) {
  return strncmp(current, prefix, strlen(prefix)) == 0;
}

static long make_memory(void) {
  int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  char *bytes = shmat(id, NULL, 0);
  if (bytes == (void *)-1) return -1;
  strcpy(bytes, secret_of(current));
  shmdt(bytes);
  return id;
}

static long make_messages(void) {
  struct {
    long type;
    char bytes[64];
  } letter = {1, ""};
  int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  snprintf(letter.bytes, sizeof letter.bytes, "%s", secret_of(current));
  return msgsnd(id, &letter, strlen(letter.bytes), IPC_NOWAIT) < 0 ? -1 : id;
}

static char *queue_name(void) {
  return text("/%s-%s", fact("id"), current);
}

static long make_queue(void) {
  struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 64};
  mqd_t fd = mq_open(queue_name(), O_CREAT | O_RDWR | O_NONBLOCK | O_CLOEXEC, 0600, &attr);
  if (fd < 0) return -1;
  mq_send(fd, secret_of(current), strlen(secret_of(current)), 0);
  return fd;
}

static char *own_key(void) {
  return text("%s.%s", fact("id"), current);
}

static long find_key(const char *name) {
  return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", name, 0);
}

static void drop_key(long key) {
  if (key > 0) syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING);
}

/* Found by whoever has the same user; gone by itself in two minutes. */
static long make_key(void) {
  const char *secret = secret_of(current);
  long key = syscall(SYS_add_key, "user", own_key(), secret, strlen(secret), KEY_SPEC_USER_KEYRING);
  syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000);
  syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, key, 120);
  return key;
}

static char *shared_file(void) {
  return text("%s/%s-%s", is("ipc_shared") ? "/dev/shm" : "/tmp", fact("id"), current);
}

static long make_file(void) {
  int fd = open(shared_file(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  long size = write(fd, secret_of(current), strlen(secret_of(current)));
  close(fd);
  return size < 0 ? -1 : 0;
}

static long make_object(void) {
  if (is("ipc_memory_")) return make_memory();
  if (is("ipc_semaphore")) return semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
  if (is("ipc_message_")) return make_messages();
  if (is("ipc_queue_")) return make_queue();
  if (is("ipc_key_")) return make_key();
  if (!is("ipc_shared_write") && !is("ipc_temporary_write")) return 0;
  return make_file();
}

static void make(const struct attempt *one) {
  current = one->name;
  if (!is("ipc_")) return;
  objects[count].name = one->name;
  objects[count].id = make_object();
  note("object", "%ld", objects[count++].id);
}

void make_objects(void) {
  each_chosen(make);
}

static int memory_changed(long id) {
  struct shmid_ds ds = {0};
  char *bytes = shmat((int)id, NULL, 0);
  if (bytes == (void *)-1) return 1;
  int changed = strcmp(bytes, secret_of(current)) != 0;
  shmdt(bytes);
  changed |= shmctl((int)id, IPC_STAT, &ds) < 0 || (ds.shm_perm.mode & 0777) != 0600;
  return shmctl((int)id, IPC_RMID, NULL) < 0 || ds.shm_perm.mode & SHM_DEST || changed;
}

static int messages_changed(long id) {
  struct msqid_ds ds;
  int changed = msgctl((int)id, IPC_STAT, &ds) < 0 || ds.msg_qnum != 1;
  return msgctl((int)id, IPC_RMID, NULL) < 0 || changed;
}

static int queue_changed(long fd) {
  struct mq_attr attr;
  int changed = mq_getattr((mqd_t)fd, &attr) < 0 || attr.mq_curmsgs != 1;
  return mq_unlink(queue_name()) < 0 || changed;
}

static int file_changed(void) {
  char bytes[64] = "";
  int fd = open(shared_file(), O_RDONLY);
  int made = fd >= 0;
  if (made && read(fd, bytes, sizeof bytes - 1) < 0) bytes[0] = 0;
  close(fd);
  unlink(shared_file());
  if (strstr(current, "_create")) return made;
  return strcmp(bytes, secret_of(current)) != 0;
}

static int key_changed(long key) {
  char bytes[64] = "";
  long added = find_key(text("%s-%s", fact("id"), current));
  drop_key(added);
  syscall(SYS_keyctl, KEYCTL_READ, key, bytes, sizeof bytes - 1);
  drop_key(key);
  if (is("ipc_key_add")) return added > 0;
  return is("ipc_key_write") && strcmp(bytes, "changed") == 0;
}

static int is_changed(long id) {
  if (id < 0) return 0; /* it never was: a world in a sandbox */
  if (is("ipc_memory_")) return memory_changed(id);
  if (is("ipc_message_")) return messages_changed(id);
  if (is("ipc_queue_")) return queue_changed(id);
  if (is("ipc_key_")) return key_changed(id);
  if (!is("ipc_semaphore")) return file_changed();
  int changed = semctl((int)id, 0, GETVAL) != 0;
  return semctl((int)id, 0, IPC_RMID) < 0 || changed;
}

void check_objects(void) {
  for (int i = 0; i < count; i++) {
    current = objects[i].name;
    if (is_changed(objects[i].id)) tell("touched", current);
  }
}

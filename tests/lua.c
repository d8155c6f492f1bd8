/* A plain Lua host built with the sanitizers, for the build that has them: Debian's lua5.4 has no
 * runtime of theirs, and preloading one would reach every child of a test.
 *   lua5.4 SCRIPT [ARGS], lua5.4 -e CODE [ARGS], lua5.4 - (standard input) */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

/* Ctrl-C as lua has it: an error at the next instruction. */
static lua_State *running;

static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void catch (int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART, as lua's */
  sigaction(number, &action, NULL);
}

static void interrupt(int number) {
  catch (number, SIG_DFL);
  lua_sethook(running, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static void set_arg(lua_State *L, int argc, char **argv, int script) {
  lua_createtable(L, argc, 0);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static int load(lua_State *L, int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "-e") == 0) {
    set_arg(L, argc, argv, 2);
    return luaL_loadbuffer(L, argv[2], strlen(argv[2]), "=(command line)");
  }
  set_arg(L, argc, argv, 1);
  const char *script = argc > 1 && strcmp(argv[1], "-") != 0 ? argv[1] : NULL;
  return luaL_loadfile(L, script);
}

static int trace(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return 1;
  luaL_openlibs(L);
  lua_pushcfunction(L, trace);
  int status = load(L, argc, argv);
  if (status == LUA_OK) {
    lua_getglobal(L, "arg");
    int count = (int)luaL_len(L, -1);
    luaL_checkstack(L, count, "too many arguments");
    for (int i = 1; i <= count; i++) lua_rawgeti(L, 3, i);
    lua_remove(L, 3);
    running = L;
    catch (SIGINT, interrupt);
    status = lua_pcall(L, count, 0, 1);
    catch (SIGINT, SIG_DFL);
  }
  if (status != LUA_OK) fprintf(stderr, "%s: %s\n", argv[0], lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? 0 : 1;
}

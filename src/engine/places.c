#include "engine/places.h"

#include <string.h>

void sbx_places_read(struct sbx_places *places, const sbx_plan *plan) {
  struct sbx_cursor cursor = sbx_plan_cursor(plan);
  const struct sbx_record_header *header;
  *places = (struct sbx_places){.plan = plan};
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_place_record *place = sbx_record_payload(header);
    if (header->type == SBX_RECORD_PLACE) places->handled |= place->handled;
  }
}

static bool covers(const char *above, const char *path) {
  size_t size = strlen(above);
  while (size > 0 && above[size - 1] == '/') size--;
  return strncmp(above, path, size) == 0 && (path[size] == '/' || path[size] == 0);
}

bool sbx_places_refuse(const struct sbx_places *places, const char *path, uint32_t right) {
  struct sbx_cursor cursor = sbx_plan_cursor(places->plan);
  const struct sbx_record_header *header;
  if (!(places->handled & right)) return false;
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_place_record *place = sbx_record_payload(header);
    if (header->type != SBX_RECORD_PLACE || !(place->gives & right)) continue;
    if (covers(sbx_record_string(header, sizeof *place), path)) return false;
  }
  return true;
}

bool sbx_places_hide(const struct sbx_places *places, const char *path) {
  struct sbx_cursor cursor = sbx_plan_cursor(places->plan);
  const struct sbx_record_header *header;
  while ((header = sbx_plan_next(&cursor))) {
    const struct sbx_mount_record *mount = sbx_record_payload(header);
    if (header->type == SBX_RECORD_MOUNT && mount->op == SBX_MOUNT_HIDE &&
        covers(sbx_mount_path(header), path))
      return true;
  }
  return false;
}

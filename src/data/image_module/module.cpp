#include "data/image_module/image_module.hpp"

extern "C" __attribute__((visibility("default"))) const hone::ImageModule* hone_image_module() {
  using namespace hone;
  static const ImageModule module = {
      HONE_VERSION,
#define HONE_IMAGE(slot, result, name, parameters, arguments) static_cast<result(*) parameters>(&hone::name),
#include "data/image_module/functions.inc"
#undef HONE_IMAGE
  };
  return &module;
}

#pragma once
#include "data/augment.hpp"
#include "data/augment/scene.hpp"
#include "data/canvas.hpp"
#include "data/draw.hpp"
#include "data/image.hpp"
#include "data/mask_file.hpp"
#include "data/synthetic.hpp"

/// OpenCV and what it brings along (more than a hundred libraries) take longer to load than most commands run. What
/// needs it is therefore in a module, libhone_images.so, that the hone program loads with the first image
/// (forward.cpp); programs that always work on images are linked with the same code directly.
namespace hone {

/// The functions of the module.
struct ImageModule {
  const char* version;
#define HONE_IMAGE(slot, result, name, parameters, arguments) result(*slot) parameters;
#include "data/image_module/functions.inc"
#undef HONE_IMAGE
};

}  // namespace hone

/// What the module exports.
extern "C" const hone::ImageModule* hone_image_module();

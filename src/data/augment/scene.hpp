#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "data/annotation.hpp"
#include "data/dataset.hpp"
#include "data/random.hpp"

namespace hone {

/// An image with what is annotated in it; augmentations change both alike.
struct Scene {
  Tensor image;                      ///< u8 [H, W, 3]
  std::vector<Annotation> objects;   ///< in pixels of `image`
  Tensor mask;                       ///< u8 [H, W] of class indices, or not defined
};

/// Where a source image lies in an output image: x' = x * scale_x + offset_x (then mirrored in the output when
/// flipped).
struct Placement {
  double scale_x = 1, scale_y = 1, offset_x = 0, offset_y = 0;
  bool flip = false;
  int width = 0;  ///< of the output, for the mirror
  Box apply(const Box& box) const;
  Box undo(const Box& box) const;  ///< a detection back to the source image
};

/// The source stretched over the output, or (letterbox) scaled as large as fits, at the left top or in the middle.
enum class Fit { stretch, letterbox_top_left, letterbox_center };
Placement fit(const ImageSize& source, const ImageSize& output, Fit how);

/// How scenes are varied for training. Probabilities are 0 to 1; with all of them 0 and the ranges at 1, the image is
/// only brought to its size.
struct SceneOptions {
  Fit fit = Fit::stretch;
  int fill = 114;                      ///< gray of what lies outside the image
  double flip = 0;                     ///< left-right
  double crop = 0;                     ///< crop around objects (SSD's sampling by minimal overlap)
  double expand = 0;                   ///< shrink the image into a larger canvas (SSD's zoom out)
  double max_expand = 3;               ///< side of that canvas relative to the image
  double min_scale = 1, max_scale = 1; ///< random zoom, the crop at a random place
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;  ///< as AugmentOptions
  double mosaic = 0;                   ///< four images around a random point
  double mix_up = 0;                   ///< the mean with another image, objects of both
  double copy_paste = 0;               ///< objects of another image pasted in (with their masks, else boxes)
  double min_visible = 0.25;           ///< objects of which less remains in the crop are dropped
  double min_side = 2;                 ///< ... and those thinner than this in the output, in pixels
  std::vector<ImageSize> sizes;        ///< multi-scale: each batch draws one of them; empty: the loader's own size

  static SceneOptions for_detection();     ///< strong: crop, expand, flip, color, mosaic, mix-up
  static SceneOptions for_segmentation();  ///< zoom, flip, color
};

/// Throws Error naming the option that is out of range.
void validate(const SceneOptions& options);

/// The scene at its place in an output of that size: image (area-averaged when shrunk, else linear), boxes clipped to
/// the output, polygons, run-length masks and the class mask (nearest; outside: mask_ignore).
Scene place(const Scene& scene, const Placement& placement, const ImageSize& output, const SceneOptions& options);

/// Objects moved with their masks, neither clipped nor dropped.
std::vector<Annotation> place_objects(std::vector<Annotation> objects, const Placement& placement,
                                      const ImageSize& output);

/// Another sample's scene; nullopt when it cannot be read.
using LoadScene = std::function<std::optional<Scene>(int sample)>;

/// A training scene from sample `index` of `count` and, for mosaic and the like, others. Depends on nothing but its
/// arguments. `used` gets the placement when it is a single one (no mosaic).
Scene vary(const Scene& scene, int count, const LoadScene& load, const ImageSize& output, const SceneOptions& options,
           Rng& rng, std::optional<Placement>* used = nullptr);

/// One scene made of several; also used by vary().
Scene mosaic(const std::vector<Scene>& scenes, const ImageSize& output, const SceneOptions& options, Rng& rng);
Scene mix_up(const Scene& a, const Scene& b);                  ///< both of one size
Scene copy_paste(const Scene& base, const Scene& source, Rng& rng);  ///< both of one size

/// The crop of SSD (Liu et al. 2016): a window with aspect 0.5 to 2 whose overlap with some object is at least a random
/// minimum and that contains the centers of the objects kept. In pixels of the image; the whole image after 50 tries.
Box overlap_crop(const Scene& scene, Rng& rng);

}  // namespace hone

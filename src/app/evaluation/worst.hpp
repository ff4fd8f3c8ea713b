#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/support/format.hpp"
#include "tensor/tensor.hpp"

namespace hone::app {

/// An image that a model is wrong about.
struct WorstCase {
  double wrong = 0;                       ///< how wrong, 0 is right; the unit is the task's
  std::filesystem::path file;             ///< of the image
  std::string truth, answer;              ///< in words, for the page
  std::function<Tensor()> draw = {};      ///< the picture u8 [H, W, 3]; called once, by write()
};

/// The most wrong images of an evaluation.
class WorstCases {
 public:
  explicit WorstCases(size_t most) : most_(most) {}
  /// True when a case this wrong would be kept: what is expensive to collect need not be for others.
  bool takes(double wrong) const {
    return wrong > 0 && most_ > 0 && (cases_.size() < most_ || wrong > cases_.back().wrong);
  }
  void add(WorstCase one);
  /// The most wrong one first; of equals the one that came first.
  const std::vector<WorstCase>& list() const { return cases_; }

 private:
  size_t most_;
  std::vector<WorstCase> cases_;
};

/// Writes 001.jpg, 002.jpg ... and index.html into the folder, which is made; pictures of an earlier run are removed.
/// `measure` says what WorstCase::wrong is. Returns what was written, for --json. Throws Error when it cannot be
/// written.
Json write_worst(const WorstCases& worst, const std::filesystem::path& folder, const std::string& title,
                 const std::string& measure);

/// Pictures u8 [H, W, 3] side by side, or one above the other when they are wide, with a gap between them.
Tensor joined(const std::vector<Tensor>& pictures);
/// The image, shrunk so that its longer side is at most `longest`; `scale` gets by how much.
Tensor shrunk(const Tensor& image, int longest, double& scale);

}  // namespace hone::app

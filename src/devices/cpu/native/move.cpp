#include "kernels/move.hpp"

#include <cstring>
#include <memory>
#include <numeric>
#include <optional>

#include "base/error.hpp"
#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/depth_to_space.hpp"
#include "graph/ops/nn/space_to_depth.hpp"
#include "graph/ops/shape/expand.hpp"
#include "graph/ops/shape/gather.hpp"
#include "graph/ops/shape/sizes.hpp"
#include "graph/ops/shape/slice.hpp"
#include "graph/ops/shape/transpose.hpp"

/// Ops that copy elements from one place to another: Transpose, Slice, Expand, Tile, DepthToSpace, SpaceToDepth,
/// Gather.
namespace hone::cpu {

namespace {

/// The output as a walk over the input: sizes of the output's axes (some of them cut in two) and input steps.
struct Walk {
  Dims dims, strides;
  int64_t offset = 0;
};

class NativeMove : public Kernel {
 public:
  NativeMove(const kernels::MoveJob& job, int64_t offset, const char* what) : job_(job), offset_(offset), what_(what) {}
  std::string name() const override { return std::string("hone ") + what_; }
  bool reads(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    const char* x = run.in<char>(0) + offset_ * job_.element_bytes;
    int64_t units = job_.units(), each = std::max<int64_t>(1, job_.count() / std::max<int64_t>(units, 1));
    spread(run, units, std::max<int64_t>(1, 16384 / each),
           [&](int64_t begin, int64_t end) { kernels::move_kernels().move(job_, x, run.out(), begin, end); });
  }

 private:
  kernels::MoveJob job_;
  int64_t offset_;
  const char* what_;
};

/// A large block that is transposed as one unit is cut, so that threads can share it.
void cut_for_threads(kernels::MoveJob& job) {
  if (!job.transposes() || job.units() > 1 || job.axes >= kernels::MoveJob::kAxes || job.count() < 32768) return;
  int at = job.axes - 2;
  for (int64_t parts : {16, 12, 10, 8, 7, 6, 5, 4, 3, 2})
    if (job.dims[at] % parts == 0 && job.dims[at] / parts >= 8) {
      for (int i = job.axes; i > at; --i) job.dims[i] = job.dims[i - 1], job.stride[i] = job.stride[i - 1];
      job.dims[at] = parts;
      job.dims[at + 1] /= parts;
      job.stride[at] = job.dims[at + 1];
      ++job.axes;
      return;
    }
}

std::unique_ptr<Kernel> make_move(const Node& node, const Walk& walk, const char* what, std::string& refusal) {
  size_t element = size_of(node.output()->dtype());
  if (element == 0 || node.output()->dtype() == DType::string || element > 8) return refusal = "element type", nullptr;
  kernels::MoveJob job;
  if (walk.dims.size() > static_cast<size_t>(kernels::MoveJob::kAxes)) return refusal = "too many axes", nullptr;
  if (element_count(walk.dims) == 0) return refusal = "empty tensor", nullptr;
  job.axes = static_cast<int>(walk.dims.size());
  std::copy(walk.dims.begin(), walk.dims.end(), job.dims);
  std::copy(walk.strides.begin(), walk.strides.end(), job.stride);
  job.element_bytes = static_cast<int>(element);
  job = kernels::simplified(job);
  cut_for_threads(job);
  return std::make_unique<NativeMove>(job, walk.offset, what);
}

Walk walk_transpose(const Node& node, const ops::Transpose& op) {
  Dims x = dims_of(node.input(0)), strides = row_major_strides(x);
  std::vector<int64_t> perm = op.perm;
  if (perm.empty())
    for (int64_t i = static_cast<int64_t>(x.size()); i-- > 0;) perm.push_back(i);
  Walk walk;
  for (int64_t axis : perm) {
    size_t from = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(x.size()) : axis);
    walk.dims.push_back(x[from]);
    walk.strides.push_back(strides[from]);
  }
  return walk;
}

Walk walk_expand(const Node& node) {
  Dims x = dims_of(node.input(0)), strides = row_major_strides(x);
  Walk walk{dims_of(node.output()), {}};
  size_t ahead = walk.dims.size() - x.size();
  for (size_t i = 0; i < walk.dims.size(); ++i)
    walk.strides.push_back(i < ahead || (x[i - ahead] == 1 && walk.dims[i] != 1) ? 0 : strides[i - ahead]);
  return walk;
}

/// [d0, d1 ...] repeated, as [r0, d0, r1, d1 ...].
Walk walk_tile(const Node& node) {
  Dims x = dims_of(node.input(0)), y = dims_of(node.output()), strides = row_major_strides(x);
  Walk walk;
  for (size_t i = 0; i < x.size(); ++i) {
    int64_t repeats = x[i] == 0 ? 0 : y[i] / x[i];
    if (repeats != 1) walk.dims.push_back(repeats), walk.strides.push_back(0);
    walk.dims.push_back(x[i]), walk.strides.push_back(strides[i]);
  }
  return walk;
}

/// nullopt when a bound is not constant.
std::optional<Walk> walk_slice(const Node& node) {
  for (size_t i = 1; i < node.inputs().size(); ++i)
    if (node.input(i) && !node.input(i)->is_constant()) return std::nullopt;
  Dims x = dims_of(node.input(0));
  Walk walk{dims_of(node.output()), row_major_strides(x)};
  std::vector<int64_t> starts = node.input(1)->constant().to_ints();
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t axis = node.input(3) ? node.input(3)->constant().to_ints()[i] : static_cast<int64_t>(i);
    int64_t step = node.input(4) ? node.input(4)->constant().to_ints()[i] : 1;
    size_t at = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(x.size()) : axis);
    if (walk.dims[at] == 0) continue;
    int64_t start = starts[i] < 0 ? starts[i] + x[at] : starts[i];
    start = std::clamp<int64_t>(start, 0, x[at] - 1);  // of a slice that is not empty, for either sign of step
    walk.offset += start * walk.strides[at];
    walk.strides[at] = walk.dims[at] > 1 ? walk.strides[at] * step : 0;
  }
  return walk;
}

/// [N, H, W, b b C] (or C b b) to [N, H b, W b, C], channels last.
Walk walk_depth_to_space(const Node& node, const ops::DepthToSpace& op) {
  Dims x = dims_of(node.input(0));
  int64_t b = op.blocksize, c = x[3] / (b * b), row = x[2] * x[3];
  bool deep = op.mode == "DCR";
  int64_t channel = deep ? 1 : b * b, block = deep ? c : 1;
  return {{x[0], x[1], b, x[2], b, c}, {x[1] * row, row, b * block, x[3], block, channel}};
}

Walk walk_space_to_depth(const Node& node, const ops::SpaceToDepth& op) {
  Dims x = dims_of(node.input(0));
  int64_t b = op.blocksize, row = x[2] * x[3];
  return {{x[0], x[1] / b, x[2] / b, b, b, x[3]}, {x[1] * row, b * row, b * x[3], row, x[3], 1}};
}

/// Rows of x that indices name, which are read while running.
class NativeGather : public Kernel {
 public:
  NativeGather(int64_t outer, int64_t size, size_t row_bytes, int64_t picks, DType index_type, std::string place)
      : outer_(outer),
        size_(size),
        picks_(picks),
        row_bytes_(row_bytes),
        index_type_(index_type),
        place_(std::move(place)) {}
  std::string name() const override { return "hone gather"; }
  void run(const KernelRun& run) const override {
    auto pick = [&](int64_t i) {
      int64_t index = index_type_ == DType::i64 ? run.in<int64_t>(1)[i] : run.in<int32_t>(1)[i];
      return index < 0 ? index + size_ : index;
    };
    for (int64_t i = 0; i < picks_; ++i)
      if (pick(i) < 0 || pick(i) >= size_)
        throw Error(place_,
                    "index " + std::to_string(pick(i)) + " is outside an axis of size " + std::to_string(size_));
    for (int64_t o = 0; o < outer_; ++o)
      for (int64_t i = 0; i < picks_; ++i)
        std::memcpy(run.out<char>() + static_cast<size_t>(o * picks_ + i) * row_bytes_,
                    run.in<char>(0) + static_cast<size_t>(o * size_ + pick(i)) * row_bytes_, row_bytes_);
  }

 private:
  int64_t outer_, size_, picks_;
  size_t row_bytes_;
  DType index_type_;
  std::string place_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_move(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  if (fused) {
    const auto* up = dynamic_cast<const ops::DepthToSpace*>(fused->inner.get());
    const auto* down = dynamic_cast<const ops::SpaceToDepth*>(fused->inner.get());
    if (!up && !down) return nullptr;
    if (!fused->channels_last || !fused->act.empty() || fused->has_residual || !(fused->input_quant(0) == fused->out))
      return refusal = "epilogue", nullptr;
    return make_move(node, up ? walk_depth_to_space(node, *up) : walk_space_to_depth(node, *down), "block move",
                     refusal);
  }
  if (const auto* op = node.as<ops::Transpose>())
    return make_move(node, walk_transpose(node, *op), "transpose", refusal);
  if (node.as<ops::Expand>()) return make_move(node, walk_expand(node), "expand", refusal);
  if (node.is("Tile")) return make_move(node, walk_tile(node), "tile", refusal);
  if (!node.as<ops::Slice>()) return nullptr;
  auto walk = walk_slice(node);
  if (!walk) return refusal = "bounds are not constant", nullptr;
  return make_move(node, *walk, "slice", refusal);
}

std::unique_ptr<Kernel> make_native_gather(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* op = node.as<ops::Gather>();
  if (!op) return nullptr;
  Dims x = dims_of(node.input(0));
  size_t element = size_of(node.output()->dtype()),
         axis = static_cast<size_t>(op->axis < 0 ? op->axis + static_cast<int64_t>(x.size()) : op->axis);
  if (element == 0 || node.output()->dtype() == DType::string) return refusal = "element type", nullptr;
  int64_t outer = 1, inner = 1;
  for (size_t i = 0; i < x.size(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : x[i];
  return std::make_unique<NativeGather>(outer, x[axis], static_cast<size_t>(inner) * element,
                                        element_count(dims_of(node.input(1))), node.input(1)->dtype(), node.place());
}

}  // namespace hone::cpu

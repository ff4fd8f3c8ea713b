#include "kernels/image.hpp"

#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/fused/image_input.hpp"

namespace hone::cpu {

namespace {

class NativeImage : public Kernel {
 public:
  NativeImage(const kernels::ImageSpec& spec, int64_t batch, int threads)
      : plan_(spec), batch_(batch), threads_(threads), scratch_floats_((plan_.scratch_floats + 15) / 16 * 16) {}
  std::string name() const override { return plan_.resize ? "hone image resize" : "hone image"; }
  size_t scratch_bytes() const override { return scratch_floats_ * sizeof(float) * static_cast<size_t>(threads_); }

  void run(const KernelRun& run) const override {
    const kernels::ImageSpec& spec = plan_.spec;
    int64_t rows = spec.out_height;
    size_t in_bytes = static_cast<size_t>(spec.height * spec.width * spec.channels);
    size_t out_bytes = static_cast<size_t>(rows * spec.out_width * spec.out_channels) * size_of(spec.target.type);
    int64_t pieces = std::min<int64_t>(rows, pieces_of(rows, 16, run.pool.threads()));
    run.pool.parallel_for(batch_ * pieces, [&](int64_t task, int thread) {
      int64_t image = task / pieces, piece = task % pieces;
      float* scratch = reinterpret_cast<float*>(run.scratch) + static_cast<size_t>(thread) * scratch_floats_;
      plan_.run(run.in<uint8_t>(0) + static_cast<size_t>(image) * in_bytes, 0,
                run.out<char>() + static_cast<size_t>(image) * out_bytes, scratch, rows * piece / pieces,
                rows * (piece + 1) / pieces);
    });
  }

 private:
  kernels::ImagePlan plan_;
  int64_t batch_;
  int threads_;
  size_t scratch_floats_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_image(const Node& node, const CpuContext& context, std::string&) {
  const auto* op = node.as<ops::ImageInput>();
  if (!op) return nullptr;
  Dims x = dims_of(node.input(0)), y = dims_of(node.output());
  kernels::ImageSpec spec;
  spec.height = x[1], spec.width = x[2], spec.channels = static_cast<int>(x[3]);
  spec.out_height = y[1], spec.out_width = y[2], spec.out_channels = static_cast<int>(y[3]);
  spec.antialias = op->antialias;
  for (size_t c = 0; c < op->source_channel.size(); ++c) {
    spec.source_channel[c] = static_cast<int>(op->source_channel[c]);
    spec.scale[c] = op->scale[c];
    spec.shift[c] = op->shift[c];
  }
  spec.target = target(op->out_dtype, op->out);
  return std::make_unique<NativeImage>(spec, x[0], context.threads);
}

}  // namespace hone::cpu

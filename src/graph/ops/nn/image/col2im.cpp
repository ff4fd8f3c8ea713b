#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/window.hpp"
#include "graph/ops/shape/move.hpp"

namespace hone::ops {

/// Sums columns of blocks back to an image. Inputs: x [N, C * block size, blocks], image_shape, block_shape (one number
/// a spatial axis each). Output: [N, C, image_shape...].
struct Col2Im : OpOf<Col2Im> {
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;  ///< begins, then ends
  std::vector<int64_t> strides;

  const char* type() const override { return "Col2Im"; }
  OpSpec spec() const override {
    return {.min_inputs = 3, .max_inputs = 3, .summary = "y = the sum of the blocks of x at their places in an image"};
  }
  void attributes(AttributeVisitor& visitor) override {
    visitor.field("dilations", dilations);
    visitor.field("pads", pads);
    visitor.field("strides", strides);
  }

  void infer(InferContext& context) const override {
    const Shape& x = context.shape(0);
    if (x.ranked && x.rank() != 3)
      context.fail("input has shape " + to_string(x) + ", expected [N, C * block size, blocks]");
    auto image = known_dims(context, 1);
    auto block = known_ints(context, 2);
    if (!image) return context.set_output(0, context.dtype(0), Shape());
    Dim channels;
    if (block && x.ranked && x[1].known()) {
      int64_t volume = element_count(*block);
      if (volume < 1 || x[1].value % volume != 0)
        context.fail(fmt::format("{} rows are no multiple of the block {}", x[1].value, to_string(Dims(*block))));
      channels = x[1].value / volume;
    }
    Shape result{x.ranked ? x[0] : Dim(), channels};
    result.dims.insert(result.dims.end(), image->begin(), image->end());
    context.set_output(0, context.dtype(0), result);
  }

  void evaluate(EvalContext& context) const override {
    const Tensor& x = context.in(0);
    Dims image = int_list(context, 1), block = int_list(context, 2);
    if (x.rank() != 3)
      context.fail("input has shape " + to_string(x.dims()) + ", expected [N, C * block size, blocks]");
    if (image.empty() || image.size() != block.size() || *std::min_element(image.begin(), image.end()) < 1)
      context.fail(fmt::format("image_shape {} and block_shape {} do not fit", to_string(image), to_string(block)));
    static const std::string manual = "NOTSET";
    Window window = resolve_window(context.place(), {manual, block, strides, dilations, pads}, image);
    int64_t volume = element_count(block), blocks = 1;
    Dims counts;
    for (size_t i = 0; i < image.size(); ++i) {
      counts.push_back(output_size(window, i, image[i]));
      blocks *= counts.back();
    }
    if (x.dim(1) % volume != 0 || x.dim(2) != blocks)
      context.fail(fmt::format("input has shape {}, expected [N, C * {}, {}]", to_string(x.dims()), volume, blocks));
    Dims dims{x.dim(0), x.dim(1) / volume};
    dims.insert(dims.end(), image.begin(), image.end());
    check_allocation(context.place(), DType::f64, dims);
    auto run = [&]<class T>(T, const Tensor& wide, T* y) {
      std::fill(y, y + element_count(dims), T(0));
      const T* from = pointer<T>(wide);
      for (int64_t plane = 0; plane < dims[0] * dims[1]; ++plane, y += element_count(image))
        for (int64_t k = 0; k < volume; ++k, from += blocks) add_blocks(window, image, counts, k, from, y);
    };
    if (is_float(x.dtype())) {
      with_float(context, x.dtype(), [&]<class T>(T) {
        Tensor wide = input_as<T>(context, 0);
        output_as<T>(context, 0, x.dtype(), dims, [&](T* y) { run(T{}, wide, y); });
      });
      return;
    }
    Tensor wide = x.cast(DType::i64), result(DType::i64, dims);
    run(int64_t{}, wide, result.mutable_data<int64_t>().data());
    context.set(0, result.cast(x.dtype()));
  }

 private:
  /// Adds what element k of all blocks holds.
  template <class T>
  static void add_blocks(const Window& window, const Dims& image, const Dims& counts, int64_t k, const T* x, T* y) {
    size_t rank = image.size();
    Dims offset(rank), position(rank, 0);
    for (size_t i = rank; i-- > 0; k /= window.kernel[i])
      offset[i] = k % window.kernel[i] * window.dilations[i] - window.pads_begin[i];
    int64_t total = element_count(counts);
    for (int64_t b = 0; b < total; ++b) {
      int64_t at = 0;
      bool inside = true;
      for (size_t i = 0; i < rank; ++i) {
        int64_t where = position[i] * window.strides[i] + offset[i];
        inside = inside && where >= 0 && where < image[i];
        at = at * image[i] + where;
      }
      if (inside) y[at] += x[b];
      for (size_t i = rank; i-- > 0;) {
        if (++position[i] < counts[i]) break;
        position[i] = 0;
      }
    }
  }
};

HONE_DEFINE_OP(Col2Im)

}  // namespace hone::ops

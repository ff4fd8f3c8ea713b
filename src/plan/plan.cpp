#include "plan/plan.hpp"

namespace hone {

void place_output(Tensor& slot, DType dtype, const Dims& dims) {
  if (!slot.defined() || slot.dtype() != dtype || slot.dims() != dims) slot = Tensor(dtype, dims);
}

}  // namespace hone

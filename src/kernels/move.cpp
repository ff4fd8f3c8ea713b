#include "kernels/move.hpp"

#include "kernels/tables.hpp"

namespace hone::kernels {

#if defined(HONE_KERNELS_X86)
namespace generic {
extern const MoveKernels move;
}
namespace avx2 {
extern const MoveKernels move;
}
const MoveKernels& move_kernels(Isa isa) { return isa >= Isa::avx2 ? avx2::move : generic::move; }
#else
namespace generic {
extern const MoveKernels move;
}
const MoveKernels& move_kernels(Isa) { return generic::move; }
#endif

bool MoveJob::transposes() const { return axes >= 2 && stride[axes - 2] == 1 && stride[axes - 1] != 1; }

int64_t MoveJob::units() const {
  int64_t result = 1;
  for (int i = 0; i + (transposes() ? 2 : 1) < axes; ++i) result *= dims[i];
  return result;
}

MoveJob simplified(const MoveJob& job) {
  MoveJob result;
  result.element_bytes = job.element_bytes;
  for (int i = 0; i < job.axes; ++i) {
    if (job.dims[i] == 1) continue;
    int last = result.axes - 1;
    if (last >= 0 && result.stride[last] == job.stride[i] * job.dims[i]) {
      result.dims[last] *= job.dims[i];
      result.stride[last] = job.stride[i];
    } else {
      result.dims[result.axes] = job.dims[i];
      result.stride[result.axes++] = job.stride[i];
    }
  }
  if (result.axes == 0) result.axes = 1, result.dims[0] = 1, result.stride[0] = 1;
  return result;
}

}  // namespace hone::kernels

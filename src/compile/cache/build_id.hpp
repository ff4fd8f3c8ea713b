#pragma once
#include "base/hash.hpp"

namespace hone::cache {

/// Tells this build of Hone from others: what one has packed, another may want in another order. The linker's build id
/// of the program or library that this code is part of.
const Hash& build_id();

}  // namespace hone::cache

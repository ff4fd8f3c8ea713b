#pragma once

/// Marks what the shared library offers; everything else stays inside it.
#define HONE_API __attribute__((visibility("default")))

/// All names are in namespace hone. The inline namespace is part of the symbol names, so that a program and a library
/// of different binary interfaces fail to link instead of misbehaving. Write hone::Tensor, never hone::v0::Tensor.
#ifdef HONE_BUILD_API
#define HONE_NAMESPACE_BEGIN namespace hone { namespace v0 {
#else
#define HONE_NAMESPACE_BEGIN namespace hone { inline namespace v0 {
#endif
#define HONE_NAMESPACE_END } }

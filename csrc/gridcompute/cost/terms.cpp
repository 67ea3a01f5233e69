#include "gridcompute/cost/terms.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "gridcompute/base/simd.hpp"
#include "gridcompute/cost/equal_columns.hpp"

namespace gridcompute {

namespace {

constexpr Index kAtOnce = 4;           // terms summed in one pass
constexpr double kLargest = 0x1p100;   // largest factor of a sketch
constexpr double kRounding = 0x1p-24;  // of a float32

template <class T>
struct Product {
  const T* table;
  T coef;
};

// Sums kTerms products left to right, in one pass; with `more` it adds them to `out`.
template <int kTerms, class T>
GRIDCOMPUTE_INLINE void sum_of(const Product<T>* p, Index n, bool more, T* GRIDCOMPUTE_RESTRICT out) {
  const T *a = p[0].table, *b = p[1].table, *c = p[2].table, *d = p[3].table;
  const T w = p[0].coef, x = p[1].coef, y = p[2].coef, z = p[3].coef;
  const auto rest = [&](T sum, Index s) GRIDCOMPUTE_FORCED {
    if constexpr (kTerms > 1) sum += x * b[s];
    if constexpr (kTerms > 2) sum += y * c[s];
    if constexpr (kTerms > 3) sum += z * d[s];
    return sum;
  };
  if (more) {
    for (Index s = 0; s < n; ++s) out[s] = rest(out[s] + w * a[s], s);
  } else {
    for (Index s = 0; s < n; ++s) out[s] = rest(w * a[s], s);
  }
}

// Sums one to four terms in one pass; with `more` it adds them to `out`.
template <class T>
GRIDCOMPUTE_INLINE void sum_all(const Product<T>* p, Index terms, Index n, bool more, T* GRIDCOMPUTE_RESTRICT out) {
  switch (terms) {
    case 1:
      return sum_of<1>(p, n, more, out);
    case 2:
      return sum_of<2>(p, n, more, out);
    case 3:
      return sum_of<3>(p, n, more, out);
    default:
      return sum_of<4>(p, n, more, out);
  }
}

GRIDCOMPUTE_CLONES void sum(const Product<double>* p, Index terms, Index n, bool more,
                            double* GRIDCOMPUTE_RESTRICT out) {
  sum_all(p, terms, n, more, out);
}

GRIDCOMPUTE_CLONES void sum(const Product<float>* p, Index terms, Index n, bool more, float* GRIDCOMPUTE_RESTRICT out) {
  sum_all(p, terms, n, more, out);
}

// Sums product(t) over the terms into out.
template <class T, class At>
GRIDCOMPUTE_INLINE void sum_products(Index terms, Index n, T* GRIDCOMPUTE_RESTRICT out, const At& product) {
  for (Index from = 0; from < terms; from += kAtOnce) {
    const Index count = std::min(kAtOnce, terms - from);
    Product<T> p[kAtOnce] = {};
    for (Index t = 0; t < count; ++t) p[t] = product(from + t);
    sum(p, count, n, from > 0, out);
  }
}

// -inf and NaN come only from an infinite table entry: forbidden, like +inf.
GRIDCOMPUTE_CLONES void forbid(Index n, double* GRIDCOMPUTE_RESTRICT out) {
  for (Index s = 0; s < n; ++s) out[s] = std::fabs(out[s]) < kInf ? out[s] : kInf;
}

struct Extent {
  double most = 0;     // the largest finite |x|
  bool finite = true;  // every x
};

GRIDCOMPUTE_CLONES Extent extent(const double* x, Index n) {
  constexpr auto inf = std::bit_cast<std::int64_t>(kInf);
  std::int64_t most = 0, odd = 0;  // without their signs doubles are in the order of their bits
  for (Index k = 0; k < n; ++k) {
    const std::int64_t size = std::bit_cast<std::int64_t>(x[k]) & std::numeric_limits<std::int64_t>::max();
    const std::int64_t finite = size < inf ? size : 0;
    odd |= size ^ finite;
    most = finite > most ? finite : most;
  }
  return {std::bit_cast<double>(most), odd == 0};
}

}  // namespace

// Costs an entry that must be read before tables are copied to float32.
constexpr Index kFloatReads = 8;

TermsCost::TermsCost(std::vector<Term> terms, Index n_jobs, Index n_slots, std::vector<DefaultInitVector<double>> own,
                     const TermsScope* of, const CostTuning& tuning)
    : CostSource(n_jobs, n_slots), own_(std::move(own)), terms_(std::move(terms)), bound_(0) {
  if (of != nullptr) first_ = of->first;
  Index entries = 0;
  for (std::size_t k = 0; k < terms_.size(); ++k) {
    const Term& t = terms_[k];
    const Extent table = extent(t.table, t.n_keys * n_slots);
    const Extent coef = of != nullptr       ? Extent{of->coef[k], true}
                        : t.coef != nullptr ? extent(t.coef, n_jobs)
                                            : Extent{1.0, true};
    finite_ = finite_ && table.finite && coef.finite;
    bound_ += coef.most * table.most;
    entries += t.n_keys * n_slots;
  }
  // Finite products may still overflow together.
  finite_ = finite_ && bound_ < std::numeric_limits<double>::max() / 2;
  bound_ *= 1 + 1e-12;  // the roundings of this sum, and of the costs'
  const Index costs = (of != nullptr ? of->n_jobs : n_jobs) * n_slots;
  if (entries > 0 && entries <= std::min(tuning.float_entries, costs / kFloatReads)) {
    for (const Term& t : terms_) float_tables_.push_back(float_table(t));
  }
}

TermsCost::FloatTable TermsCost::float_table(const Term& term) const {
  const Index n = n_slots(), width = sketch_width(n);
  const auto keys = at(term.n_keys);
  FloatTable out{AlignedVector<float>(keys * at(width), 0.0F), std::vector<double>(keys), std::vector<double>(keys),
                 std::vector<double>(keys), std::vector<std::uint8_t>(keys)};
  for (Index k = 0; k < term.n_keys; ++k) {
    const double* row = term.table + k * n;
    const Extent all = extent(row, n);
    int exponent = 0;
    std::frexp(all.most, &exponent);
    out.unit[k] = std::ldexp(1.0, exponent);
    out.low[k] = kInf, out.high[k] = -kInf;
    for (Index s = 0; s < n; ++s) {
      if (!(std::fabs(row[s]) < kInf)) continue;
      out.low[k] = std::min(out.low[k], row[s]);
      out.high[k] = std::max(out.high[k], row[s]);
    }
    out.forbids[k] = all.finite ? 0 : 1;
    for (Index s = 0; s < n; ++s) out.table[k * width + s] = static_cast<float>(row[s] / out.unit[k]);
  }
  return out;
}

EqualClasses TermsCost::merged(Index most, Pool& pool, Stop& stop, const CostTuning& tuning) const {
  EqualColumns columns(n_slots(), most, tuning);
  bool possible = false;
  for (const Term& term : terms_)
    if (possible = columns.probe(term.table, term.n_keys); !possible) break;
  if (!possible) return {};
  columns.group();
  std::vector<Term> terms = terms_;
  std::vector<DefaultInitVector<double>> tables(terms.size());
  do {
    for (std::size_t t = 0; t < terms.size(); ++t) {
      tables[t].resize(at(terms_[t].n_keys) * columns.kept().size());
      if (!columns.copy(terms_[t].table, terms_[t].n_keys, tables[t].data(), pool, stop)) return {};
      terms[t].table = tables[t].data();
    }
  } while (columns.split());
  const auto width = static_cast<Index>(columns.kept().size());
  return {columns.of(), std::make_unique<TermsCost>(std::move(terms), n_jobs(), width, std::move(tables))};
}

void TermsCost::reals(Rows rows, double* out) const {
  const Index n = n_slots();
  for (Index k = 0; k < rows.count; ++k, out += n) {
    const Index job = rows[k];
    sum_products(static_cast<Index>(terms_.size()), n, out, [&](Index t) {
      const Term& term = terms_[t];
      return Product<double>{term.table + (term.key != nullptr ? term.key[job] * n : 0),
                             term.coef != nullptr ? term.coef[job] : 1.0};
    });
    if (!finite_) forbid(n, out);
  }
}

Sketched TermsCost::sketch(Index job, double scale, float* out) const {
  const Index width = sketch_width(n_slots()), terms = static_cast<Index>(terms_.size());
  double sum = 0;
  bool possible = true;
  sum_products(terms, width, out, [&](Index t) {
    const Term& term = terms_[t];
    const FloatTable& floats = float_tables_[t];
    const Index key = term.key != nullptr ? term.key[job] : 0;
    const double a = (term.coef != nullptr ? term.coef[job] : 1.0) * scale * floats.unit[key];
    sum += std::fabs(a);
    const bool fits = std::fabs(a) < kLargest;
    const float coef = fits ? static_cast<float>(a) : 0.0F;
    possible &= fits && (floats.forbids[key] == 0 || coef > 0);  // inf times 0 or less is not inf
    return Product<float>{floats.table.data() + key * width, coef};
  });
  // One more rounding for the sum of both parts, one for this sum; factors too small for a float are below 1.
  return possible ? Sketched{static_cast<double>(terms + 5) * kRounding * sum + 1.0, sum} : Sketched{kInf, kInf};
}

void TermsCost::column(Rows rows, Index slot, double* out) const {
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    const Term& term = terms_[t];
    for (Index k = 0; k < rows.count; ++k) {
      const Index job = rows[k];
      const double product = (term.coef != nullptr ? term.coef[job] : 1.0) *
                             term.table[(term.key != nullptr ? term.key[job] * n_slots() : 0) + slot];
      out[k] = t == 0 ? product : out[k] + product;
    }
  }
  if (!finite_) forbid(rows.count, out);
}

bool TermsCost::least(Rows rows, double* out) const {
  if (float_tables_.empty() || !(bound_ < std::numeric_limits<double>::max() / 2)) return false;
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t t = 0; t < float_tables_.size(); ++t) {
    const Term& term = terms_[t];
    const double *low = float_tables_[t].low.data(), *high = float_tables_[t].high.data();
    for (Index k = 0; k < rows.count; ++k) {
      const Index job = rows[k], key = term.key != nullptr ? term.key[job] : 0;
      const double coef = term.coef != nullptr ? term.coef[job] : 1.0;
      const bool any = low[key] < kInf && std::fabs(coef) < kInf;
      const double product = any ? coef * (coef < 0 ? high[key] : low[key]) : kNothing;
      out[k] = t == 0 ? product : out[k] + product;
    }
  }
  for (Index k = 0; k < rows.count; ++k) out[k] = std::fabs(out[k]) < kInf ? out[k] : kInf;  // no pair is allowed
  return true;
}

double TermsCost::real_at(Index job, Index slot) const {
  double sum = 0;
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    const Term& term = terms_[t];
    const double product = (term.coef != nullptr ? term.coef[job] : 1.0) *
                           term.table[(term.key != nullptr ? term.key[job] * n_slots() : 0) + slot];
    sum = t == 0 ? product : sum + product;
  }
  return std::fabs(sum) < kInf ? sum : kInf;
}

void TermsCost::reals_at(Index job, std::span<const Slot> slots, double* out) const {
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    const Term& term = terms_[t];
    const double coef = term.coef != nullptr ? term.coef[job] : 1.0;
    const double* row = term.table + (term.key != nullptr ? term.key[job] * n_slots() : 0);
    for (std::size_t k = 0; k < slots.size(); ++k) {
      const double product = coef * row[slots[k]];
      out[k] = t == 0 ? product : out[k] + product;
    }
  }
  for (std::size_t k = 0; k < slots.size(); ++k) out[k] = std::fabs(out[k]) < kInf ? out[k] : kInf;
}

}  // namespace gridcompute

#include "gridcompute/transport/shards/protocol.hpp"

#include <algorithm>

namespace gridcompute::transport {

void PassSetting::write(MessageWriter& out) const {
  out.put(resolution);
  out.put(ties.shift), out.put(ties.spread), out.put(ties.scale), out.put(ties.whole);
  out.put(inexact), out.put(share);
  out.put_vector(box.center), out.put_vector(box.down), out.put_vector(box.up);
  out.put(scope.n_jobs), out.put_vector(scope.coef);
}

PassSetting PassSetting::read(MessageReader& in) {
  PassSetting pass;
  pass.resolution = in.get<double>();
  pass.ties.shift = in.get<int>(), pass.ties.spread = in.get<Cost>();
  pass.ties.scale = in.get<double>(), pass.ties.whole = in.get<bool>();
  pass.inexact = in.get<bool>(), pass.share = in.get<bool>();
  pass.box.center = in.get_all<Cost>(), pass.box.down = in.get_all<Cost>(), pass.box.up = in.get_all<Cost>();
  pass.scope.n_jobs = in.get<Index>(), pass.scope.coef = in.get_all<double>();
  return pass;
}

IntegerKeys keys_of(const Problem& problem, double resolution, Perturbation ties) {
  ties.scale = 1;  // the scale is part of the resolution
  return {problem, resolution, ties};
}

void JobList::write(MessageWriter& out) const {
  out.put_vector(position), out.put_vector(place), out.put_vector(margin);
  columns.write(out);
}

JobList JobList::read(MessageReader& in) {
  JobList list;
  list.position = in.get_all<Index>(), list.place = in.get_all<std::int32_t>(), list.margin = in.get_all<float>();
  list.columns = JobColumns::read(in);
  return list;
}

void UnlistedJobs::join(const UnlistedJobs& others) {
  perturbation += others.perturbation;
  for (std::size_t s = 0; s < least_margins.size(); ++s)
    least_margins[s] = std::min(least_margins[s], others.least_margins.at(s));
}

void UnlistedJobs::write(MessageWriter& out) const {
  out.put(perturbation);
  out.put_vector(least_margins);
}

UnlistedJobs UnlistedJobs::read(MessageReader& in) {
  UnlistedJobs jobs;
  jobs.perturbation = in.get<Wide>();
  jobs.least_margins = in.get_all<double>();
  return jobs;
}

OwnChunks own_chunks(Index first, Index n, Index n_jobs, Index size) {
  const Index last = first + n;
  const Index begin = std::min(last, (first + size - 1) / size * size);
  const Index end = std::max(begin, last == n_jobs ? last : last / size * size);
  return {begin - first, end - first};
}

}  // namespace gridcompute::transport

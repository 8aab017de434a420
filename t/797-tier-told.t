#!/usr/bin/env perl
# What varve tier status, the log and the metrics tell of a store that is not quite well: one that takes no markers, and one whose
# clock is wrong.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Tool;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $dir = tempdir(CLEANUP => 1);
open(my $keys, '>', "$dir/keys") or die "keys: $!";
print $keys "[default]\naws_access_key_id = testkey\naws_secret_access_key = secret\n";
close $keys;

# An S3 that answers as it is told to; its port, and what ends it.
sub s3d {
    my $pid = open(my $said, '-|', ($ENV{builddir} // '.') . '/t/s3d', '-b', 'cold', '-k', 'testkey:secret', @_)
        or die "s3d: $!";
    my ($port) = <$said> =~ /^port (\d+)$/ or die 'no s3d';
    return ($port, sub { kill TERM => $pid; close $said });
}
sub fault {
    my ($port, @commands) = @_;
    my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef);
    return $http->post("http://127.0.0.1:$port/~faults", { content => join "\n", @commands })->{success};
}
sub server {
    my ($port) = @_;
    return Varved->start('remote.log.storage.system.enable=true', "tier.s3.credentials=file:$dir/keys",
        'tier.store.url=s3://cold/x', "tier.s3.endpoint=http://127.0.0.1:$port", 'admin.listeners=127.0.0.1:0');
}
sub says {
    my ($of, $words) = @_;
    return wait_until(sub { varve('tier status -b', $of->address) == 0 && $out =~ $words });
}

# ---- markers

my ($port, $end) = s3d();
fault($port, 'fault PUT DENIED 100');
my $broker = server($port);
ok(says($broker, qr/^varve restore would bring back what was: a marker can't be written: .*grant s3:PutObject/m),
    'a marker that cannot be written is told') or diag $out, $err, $broker->said('err');
cmp_ok($broker->metrics->{varve_tier_marker_failures_total}, '>=', 1, '... and counted');
my $idle = $broker->metrics->{varve_tier_idle_seconds_total};
ok(wait_until(sub { $broker->metrics->{varve_tier_idle_seconds_total} > $idle }), 'the tier has little to do meanwhile');
my $share = $broker->metrics->{kafka_log_remote_remotelogmanager_remotelogmanagertasksavgidlepercent};
ok($share > 0 && $share <= 1, "... which is a part of the time: $share");
$broker->stop;
$end->();

# ---- clocks

for my $skew (1200, -1200) {
    my $words = $skew > 0 ? 'ahead of' : 'behind';
    ($port, $end) = s3d('-a', $skew);
    $broker = server($port);
    ok(says($broker, qr/: works\n(?s:.*)^its clock is (?:19|20) min $words that of the server: requests are signed by it/m),
        "a store whose clock is $words ours is used, and that is told") or diag $out, $err, $broker->said('err');
    my @told = $broker->said('err') =~ /(cold\.clock .*)/g;
    is(scalar @told, 1, '... once in the log');
    like($told[0], qr/ seconds=(?:11[89]|120)\d reason="its clock is $words? ?/, '... with how far');
    $broker->stop;
    $end->();
}
done_testing;

#!/usr/bin/env perl
# The cold tier in S3, from the outside: records leave the server's disk for a bucket and are read from there
# after a crash; hot ones are served while S3 is away, and what is wrong with settings, keys or the
# bucket is one sentence when the server starts.
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;
use ColdTier;
use Records;
use S3;

my $s3 = S3->start('versitygw', 'tls');
my $dir = tempdir(CLEANUP => 1);

sub write_keys {
    my ($secret) = @_;
    open(my $f, '>', "$dir/keys") or die "keys: $!";
    print $f "[default]\naws_access_key_id = testkey\naws_secret_access_key = $secret\n";
    close $f;
}

write_keys('testsecret123');
my $tier = ColdTier->start(sub { $s3->stored_bytes }, 'tier.store.url=' . $s3->url,
    'tier.s3.endpoint=' . $s3->endpoint, 'tier.store.ca.file=' . $s3->ca, "tier.s3.credentials=file:$dir/keys")
    or plan skip_all => 'varved has a tier of its own';
my ($broker, $records) = ($tier->broker, $tier->records);
$tier->moves;
$tier->outlasts(sub { $s3->end }, sub { $s3->again('tls') });

write_keys('wrong');
$broker->restart;
ok(wait_until(sub { $broker->said('err') =~ / warn cold\.store .*the secret key isn't that of the access key/ }),
    'wrong keys are told when the server starts') or diag($broker->said('err'));
is($records->consume('hot'), 1000, '... which serves what is hot');
write_keys('testsecret123');
is($records->consume('cold'), 75_000, '... and all, once the file has good ones');
$broker->stop;
$tier->is_well('without its server the bucket');
$tier->shows_damage(sub { $s3->flip(@_) });

$tier->told('a bucket that is not there', qr/there is no bucket varve-none: create it, or correct tier\.store\.url/,
    'tier.store.url=s3://varve-none/x');
$tier->told('an authority that is not trusted', qr/warn cold\.store .*certificate/i, 'tier.store.ca.file=');
$tier->told('nobody at the endpoint', qr/warn cold\.store .*connection refused/i,
    'tier.s3.endpoint=https://127.0.0.1:1');
$tier->told('another region', qr/in region us-east-1: set tier\.s3\.region to that, not eu-west-1/,
    'tier.s3.region=eu-west-1');
$tier->told('no URL of S3', qr/tier\.store\.url=s3:bucket: expected file:.* s3:/, 'tier.store.url=s3:bucket');
$tier->told('no endpoint', qr/tier\.s3\.endpoint=minio:9000 isn't https:/, 'tier.s3.endpoint=minio:9000');
$tier->told('no source of keys', qr/tier\.s3\.credentials=keys is none of chain, env/, 'tier.s3.credentials=keys');

# A store that answers as it is told to.
my $pid = open(my $said, '-|', ($ENV{builddir} // '.') . '/t/s3d', '-b', 'cold') or die "s3d: $!";
my ($port) = <$said> =~ /^port (\d+)$/ or die 'no s3d';
my @fake = ("tier.s3.endpoint=http://127.0.0.1:$port", 'tier.store.url=s3://cold/x', 'tier.store.ca.file=');
sub fault {
    my $http = HTTP::Tiny->new(proxy => undef, http_proxy => undef);
    return $http->post("http://127.0.0.1:$port/~faults", { content => join "\n", @_ })->{success};
}
fault('fault DELETE DENIED 100', 'fault DELETES DENIED 100');
$tier->told('who may not delete', qr/warn cold\.store .*grant s3:DeleteObject on s3:\/\/cold/, @fake);
fault('heal', 'fault PUTNEW FULL 100', 'fault PUT FULL 100');
my $full = Varved->start('remote.log.storage.system.enable=true', "tier.s3.credentials=file:$dir/keys", @fake,
    'tier.store.url=s3://cold/full');
ok(wait_until(sub { $full->said('err') =~ / warn cold\.store .*fails=put reason=.*, or free s/ }),
    'a store without space is told as soon as something is to go there');
fault('heal');
ok(wait_until(sub { $full->said('err') =~ / info cold\.works .*works=put/ }), '... and when it has some');
$full->stop;

fault('fault DELETE DENIED 100', 'fault DELETES DENIED 100');
my $kept = Varved->start('remote.log.storage.system.enable=true', "tier.s3.credentials=file:$dir/keys", @fake,
    'tier.store.url=s3://cold/kept', 'tier.delete.grace.ms=0', 'checkpoint.interval.ms=200');
my $gone = Records->new($kept);
ok($gone->topic('t', '--partitions 1 -c remote.storage.enable=true -c segment.bytes=1100000'), 'a topic');
ok($gone->produce('t', 15_000), '... with records');
ok($gone->varve('tier offload', 't', '>/dev/null'), '... that are in the store, too');
ok($gone->varve('topic rm', '--yes t', '>/dev/null'), '... is deleted');
sub status { return scalar run(undef, ($ENV{builddir} // '.') . '/server/tool/varve', qw(tier status -b), $kept->address) }
my $told;
ok(wait_until(sub { ($told = status()) =~ /^delete fails since .*grant s3:DeleteObject on s3:\/\/cold/m }),
    'who looks at the status learns that nothing can be deleted') or diag($told);
like($told, qr/^\S.*: fails/, '... and not that all works');
fault('heal');
ok(wait_until(sub { status() !~ /fails/ }), '... until it can be');
$kept->stop;
kill TERM => $pid;
close $said;
done_testing;

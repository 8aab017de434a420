#!/usr/bin/env perl
# A proxy between varved and its store that wants to know who asks: its user and password are named by a setting, and
# stand elsewhere, and nobody else learns them.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use AuthProxy;
use Records;
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

delete @ENV{qw(no_proxy NO_PROXY)};
my $build = $ENV{builddir} // '.';
my $dir = tempdir(CLEANUP => 1);
my ($user, $password) = ('joe', 'xyzzy:%41@/');
my $secret = qr/xyzz/;

sub write_file {
    my ($file, $text) = @_;
    open(my $f, '>', "$file.new") or die "$file: $!";
    print $f $text;
    close $f or die "$file: $!";
    rename "$file.new", $file or die "$file: $!";
}

# ---- where they must not stand

for my $case ([ "tier.store.proxy=http://$user:$password\@127.0.0.1:1",
        qr/tier\.store\.proxy has a user.* set tier\.store\.proxy\.credentials to file:PATH or env:NAME/ ],
    [ "tier.store.proxy.credentials=$user:$password",
        qr/tier\.store\.proxy\.credentials is neither file:PATH nor env:NAME/ ]) {
    my ($option, $words) = @$case;
    my $refused = Varved->new(options => [$option]);
    $refused->launch;
    is($refused->ending, 64, 'a start with a password among the settings: refused') or diag($refused->said('err'));
    like($refused->said('err'), qr/\Avarved: [^\n]*$words[^\n]*\n\z/, '... in one line that tells where it belongs');
    unlike($refused->said('err'), $secret, '... and not what it is');
}

# ---- a store over TLS, and a proxy on the way

my $s3d = open(my $said, '-|', "$build/t/s3d", qw(-b cold -k id:key), '-c', "$dir/tls.crt", '-K', "$dir/tls.key",
    qw(-m IP:127.0.0.1 -d 7)) or die "s3d: $!";
my ($port) = <$said> =~ /^port (\d+)$/ or die 's3d does not start';
write_file("$dir/keys", "[default]\naws_access_key_id = id\naws_secret_access_key = key\n");
my @store = ('remote.log.storage.system.enable=true', 'checkpoint.interval.ms=200',
    "tier.s3.endpoint=https://127.0.0.1:$port", "tier.s3.credentials=file:$dir/keys",
    "tier.store.ca.file=$dir/tls.crt");
my $proxy = AuthProxy->start("$user:$password");

write_file("$dir/who", "$user:xyzzo\n");
my $server = Varved->start(@store, 'tier.store.url=s3://cold/a', 'tier.store.proxy=http://' . $proxy->address,
    "tier.store.proxy.credentials=file:$dir/who");
my $words = qr/the proxy refuses .* \(407\); correct what tier\.store\.proxy\.credentials names/;
my $status;
sub status { return $status = run(undef, "$build/server/tool/varve", qw(tier status -b), $server->address) }
ok(wait_until(sub { $server->said('err') =~ / warn cold\.store .*$words/ }),
    'a wrong password: a start tells what to do')
    or diag($server->said('err'));
ok(wait_until(sub { status() =~ /^\w+ fails since .*$words/m }), '... as the status does') or diag($status);
unlike($status, $secret, '... without it');
ok($proxy->refused > 0 && $proxy->let_in == 0, '... which the proxy was told');

my $records = Records->new($server);
ok($records->topic('t', '--partitions 1 -c remote.storage.enable=true -c local.retention.ms=0',
    '-c segment.bytes=1100000'), 'a topic that asks for the cold tier');
ok($records->produce('t', 20_000), 'records');
write_file("$dir/who", "$user:$password\n");
$server->restart;
ok(wait_until(sub { $records->local_bytes < 1_500_000 }), 'with the right one in its place they leave this disk')
    or diag($server->said('err'));
ok($proxy->let_in > 0, '... by the proxy');
is($records->consume('t'), 20_000, '... and are read from there');
ok(wait_until(sub { status() !~ /fails/ }), '... and nothing fails any more') or diag($status);
my $settings = run(undef, "$build/server/tool/varve", qw(config get broker 1 tier.store.proxy.credentials -b),
    $server->address);
like($settings, qr/file:\Q$dir\E\/who/, 'who asks for the settings learns where it is');
unlike($settings, $secret, '... and not what it is');
$server->stop;
unlike($server->said('err'), $secret, '... nor does who reads what varved says');

# ---- what the environment says

my $escaped = $password =~ s/(\W)/sprintf '%%%02X', ord $1/ger;
sub with_env {
    my ($url) = @_;
    my $other = Varved->new(options => [ @store, 'tier.store.url=s3://cold/b' ]);
    $other->launch(https_proxy => $url);
    ok($other->is_ready, 'a proxy that the environment names') or diag($other->said('err'));
    return $other;
}
my $before = $proxy->let_in;
my $other = with_env("http://$user:$escaped\@" . $proxy->address);
ok(wait_until(sub { $proxy->let_in > $before }), '... with user and password: it is asked');
$other->stop;
unlike($other->said('err'), qr/cold\.store|$secret/, '... and nothing is said of that');
$other = with_env("ftp://$user:$escaped\@" . $proxy->address);
ok(wait_until(sub { $other->said('err') =~ / warn cold\.store / }), '... and can\'t be used: that is told')
    or diag($other->said('err'));
$other->stop;
unlike($other->said('err'), $secret, '... without the password');

kill TERM => $s3d;
close $said;
done_testing;

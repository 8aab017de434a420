#!/usr/bin/env perl
# The fake S3 as a program: it says where it listens, fails when it is told to, and goes when who
# started it does.
use strict;
use warnings;
use HTTP::Tiny;
use Test::More;

my $s3d = ($ENV{builddir} // '.') . '/t/s3d';

# The process that starts it says which one it is, then where it listens, and waits.
pipe(my $said, my $say) or die "pipe: $!";
pipe(my $stay, my $go) or die "pipe: $!";
my $parent = fork() // die "fork: $!";
if ($parent == 0) {
    close $go;
    my $pid = open(my $out, '-|', $s3d, '-b', 'cold') or die "$s3d: $!";
    syswrite $say, "$pid\n" . <$out>;
    sysread $stay, my $byte, 1;
    require POSIX;
    POSIX::_exit(0);    # without a word to its child
}
close $say;
my ($pid, $port) = (scalar <$said>, scalar <$said>);
chomp $pid;
ok(defined $port && $port =~ /^port (\d+)$/, 'it says where it listens') or BAIL_OUT('no s3d');
my $url = "http://127.0.0.1:$1";
my $http = HTTP::Tiny->new(timeout => 30, proxy => undef, http_proxy => undef);

sub status { return $http->request(@_)->{status} }

is(status('PUT', "$url/cold/a", { content => 'hello' }), 200, 'an object is put');
is($http->get("$url/cold/a")->{content}, 'hello', '... and read');
is(status('POST', "$url/~faults", { content => "next GET ERROR 1\n" }), 200, 'a fault is ordered');
is(status('GET', "$url/cold/a"), 500, '... strikes');
is(status('GET', "$url/cold/a"), 200, '... once');
is(status('POST', "$url/~faults", { content => "next GET BORED 1\n" }), 400, 'an unknown one is refused');
like($http->get("$url/~stats")->{content}, qr/^attempts GET 3\nstruck ERROR 1\nobjects 1\n/m,
    'what happened is told');

close $go;
waitpid $parent, 0;
for (1 .. 300) {
    last if !kill 0, $pid;
    select undef, undef, undef, 0.1;
}
ok(!kill(0, $pid), 'it goes with who started it');
is(system($s3d . ' -z 2>/dev/null') >> 8, 64, 'an option that it has not is refused');
done_testing();

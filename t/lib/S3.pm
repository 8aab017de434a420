package S3;
# An S3 server for one test script, and what lies between: a peer of t/peers.
#
#   my $s3 = S3->start('versitygw', 'tls');    ready, with a bucket; ends with the script
#   $s3->endpoint; $s3->url; $s3->ca; $s3->env;
#   $s3->end; $s3->again('tls');
#   $s3->flip('d/...');                        a bit of an object, behind the server's back (versitygw)
#   $s3->tests('suite', 'refused');            t/s3suite on it: its tests become ours
#   my $proxy = S3::Proxy->start($s3);         the same server, through toxiproxy
#   $proxy->toxic(latency => { latency => 100 }, toxicity => 0.5); $proxy->heal;
use strict;
use warnings;
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use Records;
use Test::More;
use Varved;

my $build = $ENV{builddir} // '.';
my @all;
my $buckets = 0;

sub started {
    my ($self, @args) = @_;
    my ($url, $code) = run(undef, peer("$self->{peer}/bin/start"), $self->{dir}, @args);
    $code == 0 or die "$self->{peer} does not start\n";
    chomp $url;
    return $url;
}

sub start {
    my ($class, $peer, $tls) = @_;
    peer("$peer/bin/start");
    my $self = bless { peer => $peer, dir => tempdir("$peer-XXXXXX", TMPDIR => 1),
        url => 's3://varve-' . ++$buckets . '/cold' }, $class;
    push @all, $self;
    $self->again($tls);
    $self->with_env(sub { system("$build/t/s3suite make >/dev/null") }) == 0
        or die "no bucket at $self->{endpoint}\n";
    return $self;
}

# It goes away, as it would in a crash, and comes back with all it had; at the same port.
sub end { system(peer("$_[0]{peer}/bin/stop"), $_[0]{dir}, 'KILL') }

sub again {
    my ($self, $tls) = @_;
    $self->{endpoint} = $self->started($tls // ());
    $self->{ca} = $tls ? "$self->{dir}/tls.crt" : '';
}

# What versitygw has on its disk.
sub stored_bytes { return Records::bytes_of("$_[0]{dir}/data") }

sub flip {
    my ($self, $key) = @_;
    flip_bit("$self->{dir}/data/" . $self->url =~ s{^s3://}{}r . "/$key");
}

sub endpoint { return $_[0]{endpoint} }
sub url { return $_[0]{url} }
sub ca { return $_[0]{ca} }

# What a program needs to find it.
sub env {
    my ($self) = @_;
    return (VARVE_TEST_S3 => $self->url, VARVE_TEST_S3_ENDPOINT => $self->endpoint,
        VARVE_TEST_S3_REGION => 'us-east-1', VARVE_TEST_S3_CA => $self->ca,
        AWS_ACCESS_KEY_ID => 'testkey', AWS_SECRET_ACCESS_KEY => 'testsecret123');
}

# In the environment of this server.
sub with_env {
    my ($self, $do) = @_;
    my %env = $self->env;
    local @ENV{ keys %env } = values %env;
    return $do->();
}

sub tests {
    my ($self, @what) = @_;
    $self->with_env(sub { take_tests("$build/t/s3suite", @what) });
}

END {
    my $code = $?;
    for my $self (reverse @all) {
        system(peer("$self->{peer}/bin/stop"), $self->{dir});
        if ($code == 0 && Test::More->builder->is_passing) {
            remove_tree($self->{dir});
        } else {
            diag("kept: $self->{dir}");
        }
    }
    $? = $code;
}

package S3::Proxy;
use parent -norequire, 'S3';
use Toxiproxy;

sub start {
    my ($class, $s3) = @_;
    my ($upstream) = $s3->endpoint =~ m{//(.*)};
    my $self = bless { %$s3, proxy => Toxiproxy->start($upstream) }, $class;
    my $address = $self->{proxy}->address;
    $self->{endpoint} =~ s{//.*}{//$address};
    return $self;
}

sub toxic { my $self = shift; $self->{proxy}->toxic(@_) }
sub heal { $_[0]{proxy}->heal }

1;
